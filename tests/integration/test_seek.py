"""`prompt-worker seek` and `snapshot`: what is retained is delivered again, and nothing changes."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.events import bodies, body
from tests.support.pipeline import Pipeline
from tests.support.replaying import store_from_topic

pytestmark = pytest.mark.embedded_only

Command = Callable[..., str]
STORED = "SELECT md5(string_agg(e::text, '' ORDER BY id)) FROM prompt_executions AS e"
LETTERS = "SELECT id, status, times_seen, payload::text, last_seen FROM dead_letter_events ORDER BY id"
COUNTERS = (
    "SELECT name, version, to_jsonb(s) "
    "FROM prompt_templates AS t JOIN v_template_statistics AS s USING (id) ORDER BY 1, 2"
)


def test_seek_over_everything_changes_nothing(pipeline: Pipeline, prompt_worker: Command) -> None:
    before = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    published, bad = bodies(1000), [body(template_name="nobody-knows") for _ in range(10)]
    pipeline.publish(published + bad)
    with pipeline.worker() as worker:
        worker.wait_for(lambda w: w.totals.get("written") == 1000 and w.totals.get("dead-lettered") == 10)
        store_from_topic(pipeline, 10)
        letters = pipeline.query(LETTERS)
        stored = pipeline.query(STORED), pipeline.query(COUNTERS)

        printed = prompt_worker("seek", "prompt-executions-writer", "--to", before)
        assert "about 1,010 messages will be delivered again" in printed
        assert "dry run: nothing done" in printed
        prompt_worker("seek", "prompt-executions-writer", "--to", before, "--yes")

        worker.wait_for(lambda w: w.totals.get("duplicate", 0) == 1000 and w.totals["dead-lettered"] == 20)
        store_from_topic(pipeline, 10)
        assert worker.terminate()[0] == 0
    assert (pipeline.query(STORED), pipeline.query(COUNTERS)) == stored
    assert pipeline.wrong_counters() == []
    assert pipeline.query(LETTERS) == letters
    printed = prompt_worker("dead-letters", "history")
    assert ": 1 done\n" in printed
    assert "prompt-executions-writer" in printed


def test_seek_to_a_snapshot_redelivers_all_since(pipeline: Pipeline, prompt_worker: Command) -> None:
    published = bodies(300)
    pipeline.publish(published[:200])
    made = prompt_worker("snapshot", "create", "prompt-executions-writer", "--name", "before-deployment")
    assert "prompt-worker seek prompt-executions-writer --snapshot before-deployment" in made
    assert "before-deployment" in prompt_worker("snapshot", "list")
    pipeline.publish(published[200:])
    assert len(pipeline.pull_all(pipeline.writer, 300)) == 300  # by a deployment that loses them

    assert "messages will be delivered again" in prompt_worker(
        "seek", "prompt-executions-writer", "--snapshot", "before-deployment"
    )
    prompt_worker("seek", "prompt-executions-writer", "--snapshot", "before-deployment", "--yes")
    with pipeline.worker() as worker:
        pipeline.wait_for_rows(300)
        assert worker.terminate()[0] == 0
    pipeline.assert_exact(published)


def test_seek_that_dropped_messages_can_be_undone(pipeline: Pipeline, prompt_worker: Command) -> None:
    pipeline.publish(bodies(100))
    dropped = prompt_worker(
        "seek", "prompt-executions-writer", "--to", datetime.now(UTC).isoformat(), "--yes"
    )
    assert "DROPPED" in dropped
    assert pipeline.pull_all(pipeline.writer, 1, seconds=1) == []
    undo = re.search(r"prompt-worker (seek .*)", dropped)
    assert undo
    prompt_worker(*undo[1].split())
    assert len(pipeline.pull_all(pipeline.writer, 100)) == 100


def test_deleted_snapshot_is_gone(prompt_worker: Command) -> None:
    prompt_worker("snapshot", "create", "prompt-executions-writer", "--name", "mine")
    prompt_worker("snapshot", "delete", "mine")
    assert "no snapshots" in prompt_worker("snapshot", "list")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["seek", "prompt-executions-writer", "--to", "2026-01-01T00:00:00"], "offset"),
        (["seek", "prompt-executions-writer", "--to", "yesterday"], "not a time"),
        (["seek", "prompt-executions-writer", "--to", "2199-01-01T00:00:00Z"], "future"),
        (["seek", "not-there", "--to", "2026-01-01T00:00:00Z"], "no subscription not-there"),
        (["seek", "prompt-executions-writer", "--snapshot", "not-there"], "no snapshot not-there"),
        (["snapshot", "delete", "not-there"], "no snapshot not-there"),
        (["snapshot", "create", "not-there"], "no subscription not-there"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_impossible_seek_says_what_to_do(prompt_worker: Command, arguments: list[str], says: str) -> None:
    assert says in prompt_worker(*arguments, code=64)


def test_snapshots_are_audited(pipeline: Pipeline, prompt_worker: Command) -> None:
    prompt_worker("snapshot", "create", pipeline.writer, "--name", "before", "--by", "ada")
    prompt_worker("snapshot", "create", pipeline.writer, "--name", "before", "--by", "bob", code=64)
    prompt_worker("snapshot", "delete", "before", "--by", "eve")
    assert pipeline.query(
        "SELECT action, by, details, counts, ended_at IS NOT NULL FROM dead_letter_actions ORDER BY id"
    ) == [
        ("snapshot", "ada", {"subscription": pipeline.writer, "created": "before"}, {"done": 1}, True),
        ("snapshot", "bob", {"subscription": pipeline.writer, "created": "before"}, {}, True),
        ("snapshot", "eve", {"deleted": "before"}, {"done": 1}, True),
    ]
    printed = prompt_worker("dead-letters", "history")
    assert "snapshot by eve: 1 done" in printed
    assert "snapshot by bob: nothing" in printed
