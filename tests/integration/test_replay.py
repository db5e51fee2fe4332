"""`prompt-worker dead-letters replay`: a dry run first, then sent and settled, and never sent without end."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any
from uuid import UUID

import pytest

from prompt_worker.deadletters.filters import WORKER_NAMES, Filter
from prompt_worker.deadletters.replay import replaying
from prompt_worker.deadletters.replay.selection import BATCH_BYTES, select
from prompt_worker.deadletters.replay.settling import Settled
from prompt_worker.platform.postgres.engine import connect
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.process.wakeup import Wakeup
from prompt_worker.platform.pubsub.topic import Topic
from prompt_worker.platform.pubsub.topology import Names
from tests.support.events import bodies, body, event
from tests.support.pipeline import Pipeline
from tests.support.replaying import (
    ATTRIBUTES,
    create_template,
    letter,
    sent,
    statuses,
    store,
    store_from_topic,
)
from tests.support.timing import LATE

pytestmark = pytest.mark.embedded_only

Command = Callable[..., str]
EVERYTHING = (
    "SELECT (SELECT md5(string_agg(e::text, '' ORDER BY id)) FROM prompt_executions AS e), "
    "(SELECT md5(string_agg(t::text, '' ORDER BY id)) FROM prompt_templates AS t), "
    "(SELECT md5(string_agg(d::text, '' ORDER BY id)) FROM dead_letter_events AS d), "
    "(SELECT count(*) FROM guardrail_evaluations), (SELECT count(*) FROM guardrail_violations)"
)


def test_dry_run_reports_each_cause_and_changes_nothing(pipeline: Pipeline, prompt_worker: Command) -> None:
    stored = body()
    pipeline.publish([stored])
    with pipeline.worker() as worker:
        pipeline.wait_for_rows(1)
        assert worker.terminate()[0] == 0
    unknown = [body(template_name="nobody-knows") for _ in range(5)]
    later = [body(template_name="made-later") for _ in range(4)]
    store(pipeline.database, [letter(one) for one in unknown])
    store(pipeline.database, [letter(one, reason="no template made-later version 1") for one in later])
    store(pipeline.database, [letter(b"{not JSON", "invalid_json", "not JSON: malformed (byte 1)")])
    store(
        pipeline.database,
        [letter(body(), "evaluation_failed", "Error", source=Names().guardrails) for _ in range(2)],
    )
    # Stored as pending although its row is there: what the sweep has not seen yet.
    store(pipeline.database, [letter(stored)])
    pipeline.query("UPDATE dead_letter_events SET status = 'pending' WHERE status = 'resolved'")
    create_template(pipeline, "made-later")
    before = pipeline.query(EVERYTHING)

    printed = prompt_worker("dead-letters", "replay")

    groups = {
        tuple(group)
        for group in re.findall(r"^ +(\d+)  (.+)\n +(.+); for example \S+$", printed, re.MULTILINE)
    }
    assert groups == {
        (
            "5",
            "unknown_template: no template nobody-knows version 1",
            "would fail again, for the same reason",
        ),
        ("4", "unknown_template: no template made-later version 1", "would be written"),
        ("2", "guardrails: evaluation_failed: Error", "would be written"),
        ("1", "unknown_template: no template nobody-knows version 1", "is already stored: would be skipped"),
        (
            "1",
            "invalid_json: not JSON: malformed (byte …)",
            "would fail again: invalid_json: not JSON: JSON is malformed: object keys must be strings (byte …)",
        ),
    }
    assert (
        "13 events: 6 would be written, 1 would be skipped, 6 would fail again. Dry run: nothing sent"
        in printed
    )
    assert pipeline.query(EVERYTHING) == before
    assert sent(pipeline, 0) == []


def test_replay_sends_original_bytes_with_provenance(pipeline: Pipeline, prompt_worker: Command) -> None:
    odd = b"\xff\0 not JSON, with bytes"
    store(pipeline.database, [letter(odd, "invalid_json", "not JSON", own="é")])
    prompt_worker("dead-letters", "replay", "--yes", "--by", "ada", "--wait", "0")
    (message,) = sent(pipeline, 1)
    attributes = dict(message.attributes)
    ((action,),) = pipeline.query("SELECT id FROM dead_letter_actions")
    assert message.data == odd
    assert attributes.pop("replay-at").startswith("20")
    assert attributes == ATTRIBUTES | {
        "own": "é",
        "replay-by": "ada",
        "replay-id": str(action),
        "replay-count": "1",
    }
    assert statuses(pipeline) == {"replayed": 1}


def test_replay_after_a_fix_resolves_and_counts_once(pipeline: Pipeline, prompt_worker: Command) -> None:
    broken = [body(template_name="made-later") for _ in range(700)]
    store(pipeline.database, [letter(one) for one in broken])
    create_template(pipeline, "made-later")
    with pipeline.worker() as worker:
        printed = prompt_worker("dead-letters", "replay", "--yes", "--canary", "10")
        assert worker.terminate()[0] == 0
    assert "canary of 10: 10 resolved" in printed
    assert "700 sent: 700 resolved" in printed
    assert statuses(pipeline) == {"resolved": 700}
    pipeline.assert_exact(broken)
    assert worker.totals == {"written": 700}


def test_canary_that_fails_again_stops_the_replay(pipeline: Pipeline, prompt_worker: Command) -> None:
    store(pipeline.database, [letter(body(template_name="nobody-knows")) for _ in range(50)])
    with pipeline.worker(), pipeline.command("run", "dead-letters"):
        printed = prompt_worker("dead-letters", "replay", "--yes", "--canary", "5", code=1)
    assert "canary of 5: 5 failed again" in printed
    assert "no template nobody-knows version 1" in printed
    assert "the other 45 were not sent" in printed
    assert statuses(pipeline) == {"pending": 50}
    assert pipeline.query("SELECT sum(times_seen), max(times_seen), count(*) FROM dead_letter_events") == [
        (55, 2, 50)
    ]


def test_canary_that_is_not_settled_stops_the_replay(
    pipeline: Pipeline, prompt_worker: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaying, "CANARY_WAIT", 1.0)
    store(pipeline.database, [letter(body()) for _ in range(5)])
    printed = prompt_worker(
        "dead-letters", "replay", "--yes", "--canary", "2", "--wait", "0", "--json", code=1
    ).splitlines()
    assert json.loads(printed[0]) | {"replay": None} == {
        "replay": None, "sent": 2, "resolved": 0, "failed": 0, "waiting": 2, "reasons": [],
    }  # fmt: skip
    assert statuses(pipeline) == {"pending": 3, "replayed": 2}


def test_canary_taken_over_by_another_replay_stops_this_one(
    pipeline: Pipeline, prompt_worker: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(pipeline.database, [letter(body()) for _ in range(5)])
    waited = replaying.wait_until_settled

    def taken_over(*arguments: Any) -> Settled:
        pipeline.query("UPDATE dead_letter_events SET last_replay_id = uuid_v7() WHERE status = 'replayed'")
        return waited(*arguments)

    monkeypatch.setattr(replaying, "wait_until_settled", taken_over)
    printed = prompt_worker("dead-letters", "replay", "--yes", "--canary", "2", "--wait", "2", code=1)
    assert "the other 3 were not sent" in printed
    assert statuses(pipeline) == {"pending": 3, "replayed": 2}


def test_replay_of_a_discarded_letter_clears_its_reason(pipeline: Pipeline, prompt_worker: Command) -> None:
    store(pipeline.database, [letter(body())])
    prompt_worker("dead-letters", "discard", "--because", "a mistake", "--yes")
    prompt_worker("dead-letters", "replay", "--status", "discarded", "--yes", "--wait", "0")
    assert pipeline.query("SELECT status, discard_reason FROM dead_letter_events") == [("replayed", None)]


def test_fourth_replay_is_refused_unless_forced(pipeline: Pipeline, prompt_worker: Command) -> None:
    store(pipeline.database, [letter(body(template_name="nobody-knows"))])
    with pipeline.worker() as worker:
        for number in range(1, 4):
            prompt_worker("dead-letters", "replay", "--yes", "--wait", "0")
            worker.wait_for(lambda w, number=number: w.totals.get("dead-lettered") == number)
            store_from_topic(pipeline, 1)
        refused = prompt_worker("dead-letters", "replay", "--yes")
        assert "1 are refused: already replayed 3 times" in refused
        assert "no dead letters to replay" in refused
        prompt_worker("dead-letters", "replay", "--yes", "--force", "--wait", "0")
        worker.wait_for(lambda w: w.totals.get("dead-lettered") == 4)
        store_from_topic(pipeline, 1)
    assert pipeline.query("SELECT status, times_seen, replay_count FROM dead_letter_events") == [
        ("pending", 5, 4)
    ]


def test_limit_of_replays_can_be_set(
    pipeline: Pipeline, prompt_worker: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPT_WORKER_MAX_REPLAYS", "1")
    store(pipeline.database, [letter(body())])
    prompt_worker("dead-letters", "replay", "--yes", "--wait", "0")
    printed = prompt_worker("dead-letters", "replay", "--yes", "--status", "replayed", "--wait", "0")
    assert "1 are refused: already replayed 1 times" in printed


def test_replay_without_matches_does_nothing(pipeline: Pipeline, prompt_worker: Command) -> None:
    store(pipeline.database, [letter(body())])
    for arguments in ([], ["--yes"]):
        printed = prompt_worker("dead-letters", "replay", "--template", "not-there", *arguments)
        assert "no dead letters to replay: template not-there, status pending" in printed
    assert pipeline.query("SELECT * FROM dead_letter_actions") == []
    assert statuses(pipeline) == {"pending": 1}


def test_limit_and_filter_choose_what_is_replayed(pipeline: Pipeline, prompt_worker: Command) -> None:
    wanted = [body(template_name="wanted") for _ in range(20)]
    store(pipeline.database, [letter(one) for one in [*wanted, *bodies(20)]])
    arguments = ["dead-letters", "replay", "--template", "wanted", "--wait", "0"]
    assert "12 events" in prompt_worker(*arguments, "--limit", "12")
    prompt_worker(*arguments, "--limit", "12", "--yes")
    prompt_worker(*arguments, "--yes")
    assert sorted(message.data for message in sent(pipeline, 20)) == sorted(wanted)
    assert statuses(pipeline) == {"replayed": 20, "pending": 20}


def test_replay_keeps_its_rate(pipeline: Pipeline, prompt_worker: Command) -> None:
    store(pipeline.database, [letter(one) for one in bodies(60)])
    started = time.monotonic()
    prompt_worker("dead-letters", "replay", "--yes", "--rate", "20", "--wait", "0")
    assert 2.0 < time.monotonic() - started < 3.0 + LATE
    assert len(sent(pipeline, 60)) == 60


def test_large_events_are_replayed_in_small_batches(pipeline: Pipeline, prompt_worker: Command) -> None:
    large = [body(rendered_prompt="x" * 3_000_000, session_id=str(n)) for n in range(8)]
    assert sum(map(len, large)) > 2 * BATCH_BYTES
    store(pipeline.database, [letter(one) for one in large])
    assert "8 events: 8 would be written" in prompt_worker("dead-letters", "replay")
    prompt_worker("dead-letters", "replay", "--yes", "--wait", "0")
    assert sorted(message.data for message in sent(pipeline, 8)) == sorted(large)


def test_dead_letters_of_guardrails_are_replayed_too(pipeline: Pipeline, prompt_worker: Command) -> None:
    events = bodies(20)
    store(
        pipeline.database,
        [letter(one, "evaluation_failed", "Error", source=Names().guardrails) for one in events],
    )
    with pipeline.worker(), pipeline.guardrail_worker():
        assert "20 sent: 20 resolved" in prompt_worker("dead-letters", "replay", "--yes")
        pipeline.wait_for_rows(20)
    pipeline.assert_exact(events)


def test_history_has_who_replayed_what_and_the_outcome(pipeline: Pipeline, prompt_worker: Command) -> None:
    one = event(template_name="made-later")
    store(pipeline.database, [letter(json.dumps(one).encode())])
    create_template(pipeline, "made-later")
    with pipeline.worker():
        prompt_worker("dead-letters", "replay", "--yes", "--by", "ada", "--template", "made-later")
    (entry,) = map(json.loads, prompt_worker("dead-letters", "history", "--json").splitlines())
    assert (entry["action"], entry["by"], entry["counts"], entry["now"]) == (
        "replay",
        "ada",
        {"sent": 1},
        {"resolved": 1},
    )
    assert entry["filter"] == {"template": "made-later", "statuses": ["pending"]}
    assert entry["ended_at"]
    (effect,) = map(
        json.loads, prompt_worker("dead-letters", "history", one["event_id"], "--json").splitlines()
    )
    assert (effect["action"], effect["outcome"], effect["status"]) == ("replay", "sent", "resolved")
    assert UUID(effect["dead_letter"])
    assert "ada" in prompt_worker("dead-letters", "history")
    assert "resolved, seen 1 time" in prompt_worker("dead-letters", "history", one["event_id"])


def test_operator_needs_worker_rights_only_for_a_dry_run(
    pipeline: Pipeline, prompt_worker: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(pipeline.database, [letter(body())])
    monkeypatch.setenv("DATABASE_URL", f"{pipeline.database}?options=-c%20role%3Dprompt_operator")
    assert "GRANT prompt_execution_worker" in prompt_worker("dead-letters", "replay", code=69)
    id_ = pipeline.query("SELECT id::text FROM dead_letter_events")[0][0]
    prompt_worker("dead-letters", "edit", id_, "--set", "user_id=x")
    prompt_worker("dead-letters", "replay", "--yes", "--wait", "0")
    prompt_worker("dead-letters", "discard", "--because", "done", "--yes")
    prompt_worker("dead-letters", "purge", "--older-than", "0m", "--yes")
    prompt_worker("dead-letters", "history")
    assert statuses(pipeline) == {}


def test_replay_prints_json(pipeline: Pipeline, prompt_worker: Command) -> None:
    store(pipeline.database, [letter(body(template_name="made-later")) for _ in range(3)])
    create_template(pipeline, "made-later")
    (group,) = map(json.loads, prompt_worker("dead-letters", "replay", "--json").splitlines())
    assert (group["end"], group["events"], UUID(group["example"]).version) == ("would be written", 3, 7)
    with pipeline.worker():
        printed = prompt_worker("dead-letters", "replay", "--json", "--yes").splitlines()
    done = json.loads(printed[0])
    assert (done["sent"], done["resolved"], done["failed"], done["waiting"]) == (3, 3, 0, 0)


def test_letter_that_fails_again_still_names_its_replayer(pipeline: Pipeline, prompt_worker: Command) -> None:
    store(pipeline.database, [letter(body(template_name="nobody-knows"), own="x")])
    prompt_worker("dead-letters", "replay", "--yes", "--by", "ada", "--wait", "0")
    with pipeline.worker() as worker:
        worker.wait_for(lambda w: w.totals.get("dead-lettered") == 1)
    (failed,) = pipeline.dead_letters(1)
    assert {name: failed.attributes[name] for name in ("own", "replay-by", "replay-count")} == {
        "own": "x",
        "replay-by": "ada",
        "replay-count": "1",
    }
    assert failed.attributes["dead-letter-error-class"] == "unknown_template"


@pytest.fixture
def session(pipeline: Pipeline) -> Iterator[Session]:
    engine = connect(pipeline.database, application_name="tests")
    yield Session(engine)
    engine.dispose()


def steps(
    pipeline: Pipeline, session: Session, stop: Wakeup, **options: Any
) -> Generator[replaying.Step, None, None]:
    """A replay of all pending dead letters as a console reads it."""
    topic = Topic(pipeline.publisher, pipeline.topology.topic_path(pipeline.topology.names.topic))
    topics = dict.fromkeys(WORKER_NAMES, topic)
    selection = select(session, Filter(statuses=("pending",)), limit=None, most_replays=3)
    return replaying.replay(session, topics, selection, replaying.Options(**options), by="ada", stop=stop)


def test_replay_yields_what_happens_step_by_step(pipeline: Pipeline, session: Session) -> None:
    store(pipeline.database, [letter(one) for one in bodies(1200)])
    with pipeline.worker():
        happened = list(steps(pipeline, session, Wakeup(), canary=10))
    canary = happened[2]
    assert isinstance(canary, replaying.CanarySettled)
    assert (canary.passed, canary.sent, canary.unsent) == (True, 10, 1190)
    assert happened == [
        replaying.BatchSent(10),
        replaying.CanarySent(10),
        canary,
        replaying.BatchSent(500),
        replaying.BatchSent(500),
        replaying.BatchSent(190),
        replaying.Done(canary.replay, 1200, Settled(1200, 0, 0), waited=True),
    ]


def test_replay_stops_where_its_reader_asks_it_to(pipeline: Pipeline, session: Session) -> None:
    store(pipeline.database, [letter(one) for one in bodies(1200)])
    stop = Wakeup()
    replay = steps(pipeline, session, stop)
    assert next(replay) == replaying.BatchSent(500)
    stop.set()
    assert list(replay) == [replaying.Interrupted(500, 1200)]
    assert statuses(pipeline) == {"replayed": 500, "pending": 700}


def test_abandoned_replay_has_its_end_in_the_audit(pipeline: Pipeline, session: Session) -> None:
    store(pipeline.database, [letter(one) for one in bodies(1200)])
    replay = steps(pipeline, session, Wakeup())
    assert next(replay) == replaying.BatchSent(500)
    replay.close()
    assert statuses(pipeline) == {"replayed": 500, "pending": 700}
    assert pipeline.query("SELECT by, counts, ended_at IS NOT NULL FROM dead_letter_actions") == [
        ("ada", {"sent": 500}, True)
    ]
