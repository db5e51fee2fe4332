"""The guardrail handler on a real database and broker: what is checked, recorded and announced."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg2
import pytest

from prompt_worker.consuming.outcome import Rejected, Verdict
from prompt_worker.guardrails.evaluation import evaluate
from tests.support.events import SEED_TEMPLATES, body, id_of
from tests.support.guardrails import KEY, WORD, Guarding, messages
from tests.support.pipeline import HMAC_KEY, Pipeline, wait_until

WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


@pytest.fixture
def guarding(pipeline: Pipeline) -> Guarding:
    """Without the seed guardrails: other tests are about what they find."""
    pipeline.query("UPDATE prompt_guardrails SET is_active = false")
    return Guarding(pipeline)


def test_violation_row_has_every_column_and_no_matched_text(guarding: Guarding) -> None:
    guardrail_id = guarding.add_guardrail(severity="critical", action="block")
    one = body(
        input_variables={"q": f"Tell me of {WORD.upper()}."},
        user_id="user-1",
        environment="staging",
        executed_at="2026-03-04T05:06:07+02:00",
    )
    assert guarding.handle(one) == [Verdict.WRITTEN]
    (violation,) = guarding.violations()
    assert UUID(violation.pop("id")).version == 7
    assert datetime.fromisoformat(violation.pop("detected_at")) <= datetime.now(UTC)
    assert datetime.fromisoformat(violation.pop("executed_at")) == datetime(2026, 3, 4, 3, 6, 7, tzinfo=UTC)
    assert len(violation.pop("config_hash")) == 64
    expected = hmac.new(HMAC_KEY.encode(), WORD.upper().encode(), hashlib.sha256).hexdigest()
    assert violation == {
        "event_id": str(id_of(one)),
        "source": "worker",
        "repeated": False,
        "guardrail_id": guardrail_id,
        "guardrail_name": "policy",
        "guardrail_type": "content_policy",
        "severity": "critical",
        "action": "block",
        "template_name": SEED_TEMPLATES[0],
        "user_id": "user-1",
        "environment": "staging",
        "field": "variable:q",
        "rule": "word_1",
        "span_start": 11,
        "span_end": 19,
        "score": 1.0,
        "preview": "<word_1>",
        "match_hmac": expected,
        "hmac_key_id": "test",
        "detector_version": "policy-1",
        "false_positive_by": None,
        "false_positive_at": None,
    }


def test_evaluations_go_to_their_month_once(guarding: Guarding) -> None:
    guarding.add_guardrail()
    now, old = body(model_response=WORD), body(event_id=str(uuid4()))
    assert guarding.handle(now, old) == [Verdict.WRITTEN] * 2
    assert guarding.handle(old, now) == [Verdict.DUPLICATE] * 2
    guarding.pipeline.query(
        f"ALTER TABLE guardrail_evaluations DETACH PARTITION guardrail_evaluations_{datetime.now(UTC):%Y_%m}"
    )
    later = body()
    assert guarding.handle(later) == [Verdict.WRITTEN]
    stored = guarding.pipeline.query(
        "SELECT event_id::text, tableoid::regclass::text FROM guardrail_evaluations"
    )
    default = "guardrail_evaluations_default"
    assert dict(stored) == {str(id_of(old)): default, str(id_of(later)): default}


def test_evaluation_row_names_guardrails_and_outcome(guarding: Guarding) -> None:
    guardrail_id = guarding.add_guardrail()
    other = guarding.add_guardrail("elsewhere", applies_to_templates=["another"])
    clean, dirty = body(), body(model_response=WORD)
    guarding.handle(clean, dirty)
    rows = guarding.pipeline.query(
        "SELECT event_id::text, guardrail_ids::text[], outcome, detector_version, evaluation_ms > 0 "
        "FROM guardrail_evaluations"
    )
    assert sorted(rows) == sorted(
        [
            (str(id_of(clean)), [guardrail_id], "allow", "policy-1", True),
            (str(id_of(dirty)), [guardrail_id], "warn", "policy-1", True),
        ]
    )
    assert guarding.counters() == (2, 1, 0)
    assert guarding.counters("elsewhere") == (0, 0, 0)
    assert other not in str(rows)


def test_prompt_variables_and_response_are_judged_separately(guarding: Guarding) -> None:
    guarding.add_guardrail()
    guarding.handle(
        body(
            rendered_prompt=f"Answer: a {WORD} and more",
            input_variables={"a": f"a {WORD}", "b": {"c": ["x", WORD]}},
            model_response=f"{WORD} {WORD}",
        )
    )
    places = [(v["field"], v["span_start"]) for v in guarding.violations()]
    assert places == [("response", 0), ("response", 9), ("variable:a", 2), ("variable:b.c[1]", 0)]


def test_template_words_trigger_no_guardrail(guarding: Guarding) -> None:
    guarding.add_guardrail()
    guarding.pipeline.query(
        "INSERT INTO prompt_templates (name, template_text) VALUES ('ours', %s)",
        f"Never speak of {WORD}. The question: {{{{ q }}}}",
    )
    fields = {"template_name": "ours", "rendered_prompt": f"Never speak of {WORD}. The question: Why?"}
    assert guarding.handle(body(**fields, input_variables={"q": "Why?"})) == [Verdict.WRITTEN]
    assert guarding.violations() == []
    guarding.handle(body(**fields | {"rendered_prompt": f"Never speak of {WORD}. The question: {WORD}?"}))
    assert [v["field"] for v in guarding.violations()] == ["prompt"]


def test_former_name_of_a_template_still_resolves(guarding: Guarding) -> None:
    guarding.add_guardrail("by category", applies_to_categories=["clarification"])
    guarding.pipeline.query("UPDATE prompt_registry SET \"freeze\" = 'record'")
    guarding.pipeline.query("UPDATE prompt_templates SET name = 'renamed' WHERE name = %s", SEED_TEMPLATES[1])
    guarding.handle(
        body(template_name=SEED_TEMPLATES[1], model_response=WORD),
        body(template_name="renamed", model_response=WORD),
        body(template_name="nobody-knows", model_response=WORD),
    )
    assert {v["template_name"] for v in guarding.violations()} == {SEED_TEMPLATES[1], "renamed"}


def test_guardrails_apply_by_template_and_category(guarding: Guarding) -> None:
    guarding.add_guardrail("by template", applies_to_templates=[SEED_TEMPLATES[0]])
    guarding.add_guardrail("by category", applies_to_categories=["clarification"])
    for template in SEED_TEMPLATES:
        guarding.handle(body(template_name=template, model_response=WORD))
    found = {(v["template_name"], v["guardrail_name"]) for v in guarding.violations()}
    assert found == {(SEED_TEMPLATES[0], "by template"), (SEED_TEMPLATES[1], "by category")}
    assert guarding.counters("by template") == (1, 1, 0)
    assert guarding.counters("by category") == (1, 1, 0)


def test_redelivered_event_adds_and_counts_nothing(guarding: Guarding) -> None:
    guarding.add_guardrail()
    one, other = body(model_response=WORD), body()
    assert guarding.handle(one, other, one) == [Verdict.WRITTEN, Verdict.WRITTEN, Verdict.DUPLICATE]
    before = guarding.violations(), guarding.counters()
    assert guarding.handle(one, other) == [Verdict.DUPLICATE] * 2
    third = body()
    assert guarding.handle(other, third) == [Verdict.DUPLICATE, Verdict.WRITTEN]
    assert guarding.violations() == before[0]
    assert guarding.counters() == (3, 1, 0)
    assert guarding.pipeline.wrong_counters() == []


def test_recorded_events_are_not_evaluated_after_a_redelivery(
    guarding: Guarding, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluated: list[int] = []

    def counting(evaluators: Any, executions: Any, *others: Any) -> Any:
        evaluated.append(len(executions))
        return evaluate(evaluators, executions, *others)

    monkeypatch.setattr("prompt_worker.guardrails.recording.evaluating.evaluate", counting)
    bodies = [body(), body()]
    with guarding.handler() as handler:
        for _ in range(3):
            outcomes = handler(messages(*bodies))
        assert outcomes == [Verdict.DUPLICATE] * 2
        assert handler(messages(bodies[0], body())) == [Verdict.DUPLICATE, Verdict.WRITTEN]
    assert evaluated == [2, 2, 1]


def test_recorded_event_that_now_fails_is_a_duplicate(
    guarding: Guarding, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = body(), body()
    guarding.handle(one)

    def failing(*_: Any) -> Any:
        raise ValueError

    monkeypatch.setattr("prompt_worker.guardrails.recording.evaluating.evaluate", failing)
    assert guarding.handle(one, other) == [Verdict.DUPLICATE, Rejected("evaluation_failed", "ValueError")]


def test_event_recorded_by_another_worker_is_a_duplicate(guarding: Guarding) -> None:
    """Neither checks before it writes: the first to commit counts."""
    guarding.add_guardrail()
    one, other = body(model_response=WORD), body()
    lock = psycopg2.connect(guarding.pipeline.database)
    # The table can be read, not written.
    lock.cursor().execute("LOCK TABLE guardrail_evaluations IN EXCLUSIVE MODE")
    with ThreadPoolExecutor() as pool:
        racing = [pool.submit(guarding.handle, *bodies) for bodies in ([one, other], [other, one])]
        wait_until(lambda: guarding.pipeline.query(WAITING) == [(2,)], 60, lambda: "they do not wait")
        lock.rollback()
        outcomes = [outcome for each in racing for outcome in each.result(30)]
    lock.close()
    assert Counter(outcomes) == {Verdict.WRITTEN: 2, Verdict.DUPLICATE: 2}
    assert len(guarding.violations()) == 1
    assert guarding.counters() == (2, 1, 0)


def test_inline_violations_are_recorded_and_marked(guarding: Guarding) -> None:
    guardrail_id = guarding.add_guardrail()
    reported = [
        {"guardrail_name": "policy", "guardrail_type": "content_policy", "severity": "low", "action": "warn",
         "details": {"matched": "somebody's secret"}},
        {"guardrail_name": "their own"},
        "a bare name",
        7,
    ]  # fmt: skip
    guarding.handle(body(guardrail_violations=reported, user_id="u"))
    found = [
        (v["field"], v["guardrail_name"], v["guardrail_id"], v["severity"], v["repeated"], v["user_id"])
        for v in guarding.violations("source = 'inline'")
    ]
    assert sorted(found) == [
        ("guardrail_violations[0]", "policy", guardrail_id, "low", False, "u"),
        ("guardrail_violations[1]", "their own", None, None, False, "u"),
        ("guardrail_violations[2]", "a bare name", None, None, False, "u"),
        ("guardrail_violations[3]", "unknown", None, None, False, "u"),
    ]
    assert "secret" not in json.dumps(guarding.violations())
    assert guarding.counters() == (1, 1, 0)


def test_violation_seen_inline_and_by_the_worker_counts_once(guarding: Guarding) -> None:
    guarding.add_guardrail()
    guarding.handle(body(model_response=WORD, guardrail_violations=[{"guardrail_name": "policy"}]))
    assert sorted((v["source"], v["repeated"]) for v in guarding.violations()) == [
        ("inline", True),
        ("worker", False),
    ]
    assert guarding.counters() == (1, 1, 0)
    summary = guarding.pipeline.query("SELECT violation_count FROM v_guardrail_violations_summary")
    daily = guarding.pipeline.query("SELECT violation_count FROM v_guardrail_violations_daily")
    assert summary == daily == [(1,)]


def test_edited_guardrail_takes_effect_without_a_restart(guarding: Guarding) -> None:
    guarding.add_guardrail()
    with guarding.handler(refresh_seconds=0) as handler:
        handler(messages(body(model_response="plain")))
        guarding.pipeline.query(
            'UPDATE prompt_guardrails SET config = \'{"words": ["plain"]}\' WHERE is_active'
        )
        handler(messages(body(model_response="plain")))
        guarding.pipeline.query(
            "UPDATE prompt_guardrails SET severity = 'critical', name = 'renamed' WHERE is_active"
        )
        handler(messages(body(model_response="plain")))
        guarding.pipeline.query("DELETE FROM prompt_guardrails WHERE name = 'renamed'")
        assert handler(messages(body(model_response="plain"))) == [Verdict.WRITTEN]
    found = [(v["guardrail_name"], v["severity"]) for v in guarding.violations()]
    assert found == [("policy", "low"), ("renamed", "critical")]
    assert guarding.pipeline.wrong_counters() == []


def test_edited_category_takes_effect_without_a_restart(guarding: Guarding) -> None:
    guarding.add_guardrail(applies_to_categories=["moved"])
    with guarding.handler(refresh_seconds=0) as handler:
        handler(messages(body(model_response=WORD)))
        guarding.pipeline.query("UPDATE prompt_templates SET category = 'moved'")
        handler(messages(body(model_response=WORD)))
    assert len(guarding.violations()) == 1


def test_without_a_key_no_hash_is_recorded(guarding: Guarding) -> None:
    guarding.add_guardrail()
    with guarding.handler(key=None) as handler:
        handler(messages(body(model_response=WORD)))
    (violation,) = guarding.violations()
    assert (violation["match_hmac"], violation["hmac_key_id"]) == (None, None)
    assert KEY.digest(WORD) not in json.dumps(violation)


def test_alerts_have_blocks_and_criticals_without_matched_text(guarding: Guarding) -> None:
    guarding.add_guardrail("blocks", action="block")
    guarding.add_guardrail("critical", severity="critical", action="log")
    guarding.add_guardrail("quiet")
    reported = [
        {"guardrail_name": "inline", "action": "block"},
        {"guardrail_name": "blocks", "action": "block"},
    ]
    guarding.handle(body(model_response=f"x {WORD}", guardrail_violations=reported, user_id="u"))
    alerts = guarding.alerts(3)
    bodies = sorted((json.loads(alert.data) for alert in alerts), key=lambda alert: alert["guardrail_name"])
    assert [(a["guardrail_name"], a["source"]) for a in bodies] == [
        ("blocks", "worker"), ("critical", "worker"), ("inline", "inline"),
    ]  # fmt: skip
    recorded = {v["id"]: v for v in guarding.violations()}
    for alert, message in zip(
        bodies, sorted(alerts, key=lambda a: json.loads(a.data)["guardrail_name"]), strict=True
    ):
        assert all(
            recorded[alert["id"]][name] == value for name, value in alert.items() if name != "executed_at"
        )
        assert message.attributes["ce-id"] == alert["id"]
        assert WORD not in message.data.decode()
    assert (bodies[0]["field"], bodies[0]["span_start"], bodies[0]["span_end"]) == ("response", 2, 10)
    assert not {"preview", "match_hmac"} & {name for alert in bodies for name in alert}


def test_redelivered_event_is_announced_once(guarding: Guarding) -> None:
    guarding.add_guardrail(action="block")
    one = body(model_response=WORD)
    for _ in range(3):
        guarding.handle(one, one)
    # An alert of another event, published after all of those: what comes before it is all there is.
    guarding.handle(last := body(model_response=WORD))
    alerts = [json.loads(alert.data)["event_id"] for alert in guarding.alerts(2)]
    assert sorted(alerts) == sorted(str(id_of(event)) for event in (one, last))


def test_violation_ids_are_the_same_at_every_delivery(guarding: Guarding) -> None:
    """Subscribers recognise an alert that is published before a crash and again after it."""
    guarding.add_guardrail(action="block")
    one = body(model_response=WORD)
    guarding.handle(one)
    guarding.pipeline.query("DELETE FROM guardrail_violations; DELETE FROM guardrail_evaluations")
    guarding.handle(one)
    first, second = guarding.alerts(2)
    assert first.attributes["ce-id"] == second.attributes["ce-id"] == guarding.violations()[0]["id"]
