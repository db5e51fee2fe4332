"""The guardrail worker as a process: beside the execution worker, redelivered to, restarted, misconfigured."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.events import bodies, body, id_of
from tests.support.guardrails import WORD, Guarding
from tests.support.pipeline import Pipeline
from tests.support.timing import STOP_SECONDS
from tests.support.worker_process import WorkerProcess


@pytest.fixture
def guarding(pipeline: Pipeline) -> Guarding:
    """One guardrail beside those of the seeds."""
    found = Guarding(pipeline)
    found.add_guardrail()
    return found


def violating(count: int) -> list[bytes]:
    """Every fifth of them violates the policy, once in a variable and once in the response."""
    clean = bodies(count)
    return [
        json.dumps(json.loads(one) | ({"input_variables": {"q": WORD}, "model_response": WORD} if n % 5 == 0 else {}))
        .encode()
        for n, one in enumerate(clean)
    ]  # fmt: skip


def all_written(pipeline: Pipeline) -> list[object]:
    return pipeline.query(
        "SELECT (SELECT array_agg(to_jsonb(v) ORDER BY id) FROM guardrail_violations v), "
        "(SELECT array_agg(to_jsonb(e) ORDER BY event_id) FROM guardrail_evaluations e), "
        "(SELECT array_agg(to_jsonb(g) ORDER BY id) FROM v_guardrail_statistics g)"
    )


def test_both_workers_process_each_event_independently(guarding: Guarding) -> None:
    pipeline = guarding.pipeline
    published = violating(1000)
    pipeline.publish(published)
    with pipeline.guardrail_worker() as guardrails, pipeline.worker() as executions:
        pipeline.wait_for_rows(1000)
        pipeline.wait_for_evaluations(1000)
        for worker in (guardrails, executions):
            code, seconds = worker.terminate()
            assert code == 0
            assert seconds < STOP_SECONDS
            assert worker.totals == {"written": 1000}
            assert worker.messages("WARNING", "ERROR") == []
    pipeline.assert_exact(published)
    assert guarding.counters() == (1000, 400, 0)
    assert len(guarding.violations("guardrail_name = 'policy'")) == 400


@pytest.mark.embedded_only
def test_events_delivered_three_times_are_counted_once(guarding: Guarding) -> None:
    pipeline = guarding.pipeline
    before = datetime.now(UTC) - timedelta(seconds=1)
    pipeline.publish(violating(1000))
    subscription = pipeline.topology.subscription_path(pipeline.topology.names.guardrails)
    with pipeline.guardrail_worker() as worker:
        worker.wait_for(lambda w: w.totals.get("written", 0) == 1000, 30)
        written = all_written(pipeline)
        for times in (1, 2):
            pipeline.subscriber.seek(request={"subscription": subscription, "time": before})
            worker.wait_for(lambda w, times=times: w.totals.get("duplicate", 0) >= 1000 * times, 30)
        assert worker.terminate()[0] == 0
    assert worker.totals["written"] == 1000
    assert all_written(pipeline) == written
    assert pipeline.wrong_counters() == []
    assert guarding.counters() == (1000, 400, 0)


@pytest.mark.embedded_only
def test_two_workers_fed_twice_record_each_event_once(guarding: Guarding) -> None:
    pipeline = guarding.pipeline
    published = violating(1500)
    pipeline.publish([*published, *reversed(published)])
    with ExitStack() as stack:
        workers = [
            stack.enter_context(pipeline.guardrail_worker(PROMPT_WORKER_BATCH_MESSAGES="100"))
            for _ in range(2)
        ]
        workers[0].wait_for(lambda _: sum(sum(w.totals.values()) for w in workers) >= 3000, 40)
        for worker in workers:
            assert worker.terminate()[0] == 0
            assert worker.messages("WARNING", "ERROR") == []
            assert "deadlock" not in worker.output
    totals = [sum(w.totals.get(name, 0) for w in workers) for name in ("written", "duplicate")]
    assert totals == [1500, 1500]
    assert guarding.counters() == (1500, 600, 0)
    assert pipeline.wrong_counters() == []


def test_events_are_evaluated_before_or_without_their_rows(guarding: Guarding) -> None:
    pipeline = guarding.pipeline
    later, never = body(model_response=WORD), body(model_response=WORD, template_name="nobody-knows")
    pipeline.publish([later, never])
    with pipeline.guardrail_worker() as worker:
        pipeline.wait_for_evaluations(2)
        assert worker.terminate()[0] == 0
    assert pipeline.rows() == 0
    assert {v["event_id"] for v in guarding.violations()} == {str(id_of(later)), str(id_of(never))}
    with pipeline.worker() as worker:
        pipeline.wait_for_rows(1)
        assert len(pipeline.dead_letters(1)) == 1
        worker.terminate()
    assert pipeline.ids() == {id_of(later)}
    assert pipeline.wrong_counters() == []


def test_broken_guardrail_is_reported_once_and_stops_no_other(guarding: Guarding) -> None:
    pipeline = guarding.pipeline
    guarding.add_guardrail("look-behind", config={"patterns": ["(?<=x)y"]})
    guarding.add_guardrail("a list", config=[1, 2])
    with pipeline.guardrail_worker(PROMPT_WORKER_GUARDRAIL_REFRESH_SECONDS="0.1") as worker:
        for count in (1, 2, 3):
            pipeline.publish([body(model_response=WORD)])
            pipeline.wait_for_evaluations(count)
        # Fixed while it runs.
        pipeline.query(
            "UPDATE prompt_guardrails SET config = '{\"words\": [\"fixed\"]}' WHERE name = 'a list'"
        )
        time.sleep(0.3)  # longer than a refresh
        pipeline.publish([body(model_response="fixed")])
        pipeline.wait_for_evaluations(4)
        assert worker.terminate()[0] == 0
    errors = worker.messages("ERROR")
    assert [message.partition(": ")[2].partition(":")[0] for message in sorted(errors)] == [
        "guardrail 'a list'", "guardrail 'look-behind'",
    ]  # fmt: skip
    assert guarding.counters() == (4, 3, 0)
    assert guarding.counters("a list") == (1, 1, 0)
    assert guarding.counters("look-behind") == (0, 0, 0)


def test_unwritable_events_are_evaluated_not_dead_lettered(guarding: Guarding) -> None:
    pipeline = guarding.pipeline
    unreadable = [b"not JSON " + WORD.encode(), body(event_id="none"), b"[]"]
    readable = [
        body(status="unknown", model_response=WORD),
        body(executed_at="yesterday", model_response=WORD),
        body(input_variables=[WORD]),
        body(rendered_prompt=[{"role": "user", "content": WORD}]),
        body(user_id=7, model_response=WORD),
        body(model_response=f"caf\N{LATIN SMALL LETTER E WITH ACUTE} {WORD}").decode().encode("latin-1"),
        body(input_variables={"a": WORD, "b": "HUGE"}).replace(b'"HUGE"', b"1e200000"),
        body(input_variables={"a": WORD, "b": "HUGE"}).replace(b'"HUGE"', b"9" * 5000),
    ]
    pipeline.publish([*unreadable, *readable])
    pipeline.publish([body(model_response=WORD)], **{"ce-type": "prompt.execution.v2"})
    with pipeline.guardrail_worker() as worker:
        worker.wait_for(lambda w: sum(w.totals.values()) == 12)
        assert worker.terminate()[0] == 0
    assert worker.totals == {"skipped": 4, "written": 8}
    assert pipeline.dead_letters(0) == []
    assert len({v["event_id"] for v in guarding.violations()}) == 8
    assert guarding.counters() == (8, 8, 0)


def test_worker_publishes_alerts(guarding: Guarding) -> None:
    guarding.pipeline.query("UPDATE prompt_guardrails SET action = 'block' WHERE name = 'policy'")
    one = body(model_response=WORD)
    guarding.pipeline.publish([one, one])
    with guarding.pipeline.guardrail_worker() as worker:
        (alert,) = guarding.alerts(1)
        assert json.loads(alert.data)["event_id"] == str(id_of(one))
        assert worker.terminate()[0] == 0


def test_missing_alert_topic_is_explained(guarding: Guarding) -> None:
    pipeline = guarding.pipeline
    pipeline.query("UPDATE prompt_guardrails SET action = 'block'")
    pipeline.publisher.delete_topic(topic=guarding.alert_topic)
    pipeline.publish([body(model_response=WORD)])
    with pipeline.guardrail_worker() as worker:
        assert worker.wait() == 69
    assert "Run 'prompt-worker topics'" in worker.output
    assert pipeline.evaluations() == 0


def test_missing_key_is_warned_of_and_a_short_one_refused(guarding: Guarding) -> None:
    with guarding.pipeline.guardrail_worker(PROMPT_WORKER_HMAC_KEY="") as worker:
        worker.wait_for(lambda w: w.messages("WARNING"))
        assert "PROMPT_WORKER_HMAC_KEY is not set" in worker.messages("WARNING")[0]
        worker.terminate()
    with guarding.pipeline.guardrail_worker(PROMPT_WORKER_HMAC_KEY="short secret") as worker:
        assert worker.wait() == 78
    assert "PROMPT_WORKER_HMAC_KEY: Expected `str` of length >= 32" in worker.output
    assert "short secret" not in worker.output


def test_doctor_names_a_broken_guardrail(guarding: Guarding) -> None:
    guarding.add_guardrail("look-behind", config={"patterns": ["(?<=x)y"]})
    with guarding.pipeline.command("doctor") as doctor:
        assert doctor.wait() == 1
    assert "FAILED guardrail look-behind: not applied: guardrail 'look-behind': patterns[0]" in doctor.output
    assert "guardrails: 4 of 5 are applied" in doctor.output
    assert "1 of " in doctor.output


def run(pipeline: Pipeline, *arguments: str) -> WorkerProcess:
    with pipeline.command(*arguments) as process:
        process.wait()
    return process


def test_false_positive_is_marked_and_unmarked(guarding: Guarding) -> None:
    guarding.handle(body(model_response=WORD))
    (violation,) = guarding.violations()
    mark = ("guardrails", "false-positive", violation["id"], "--by", "ana")
    assert "is marked as false" in run(guarding.pipeline, *mark).output
    assert "was already marked as false by ana" in run(guarding.pipeline, *mark).output
    assert guarding.counters() == (1, 1, 1)
    assert guarding.violations()[0]["false_positive_by"] == "ana"
    assert "is no longer marked" in run(guarding.pipeline, *mark, "--undo").output
    assert "was not marked" in run(guarding.pipeline, *mark, "--undo").output
    assert guarding.counters() == (1, 1, 0)
    unknown = run(guarding.pipeline, "guardrails", "false-positive", str(id_of(body())))
    assert unknown.wait() == 66
    assert "no violation has the id" in unknown.output
    assert run(guarding.pipeline, "guardrails", "false-positive", "seven").wait() == 66


def test_active_guardrails_are_listed(guarding: Guarding) -> None:
    listed = run(guarding.pipeline, "guardrails", "list")
    assert listed.wait() == 0
    for name in ("policy", "pii_detection_basic", "toxic_content_filter", "prompt_injection_detection"):
        assert name in listed.output
    guarding.add_guardrail("broken", config={})
    listed = run(guarding.pipeline, "guardrails", "list", "--json")
    assert listed.wait() == 1
    unusable = {one["name"]: one["unusable"] for one in map(json.loads, listed.output.splitlines())}
    assert [name for name, why in unusable.items() if why] == ["broken"]
