"""Every filter with every command on dead letters: what is announced is what is listed, counted, ended and sent."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from tests.support.events import body, id_of
from tests.support.pipeline import Pipeline
from tests.support.replaying import sent

pytestmark = pytest.mark.embedded_only

Command = Callable[..., str]
Row = dict[str, Any]

# Each differs from its neighbours in what the filters look at. `--because` below is a part of the last reasons.
STORE = """
    INSERT INTO dead_letter_events (consumer, event_key, event_id, source, subscription, error_class, reason, cause,
        template_name, template_version, environment, payload, attributes, delivery_attempts, occurrences, first_seen,
        last_seen, status, changed_at)
    SELECT
        (ARRAY['executions', 'guardrails'])[1 + n / 3 % 2], key, key,
        (ARRAY['worker', 'pubsub', 'other'])[1 + n / 2 % 3], 's',
        (ARRAY['unknown_template', 'invalid_field'])[1 + n / 4 % 2],
        CASE WHEN n % 3 = 0 THEN 'no template gone version 1' ELSE 'numeric out of range: was retired late' END,
        n % 3, 't' || n % 4, 1, (ARRAY['production', 'staging'])[1 + n / 5 % 2], '{}', '{}', n, '{1}',
        now() - interval '1 hour', now() - n * interval '1 hour',
        (ARRAY['pending', 'replayed', 'resolved', 'discarded'])[1 + n / 8 % 4], now() - interval '1 day'
    FROM generate_series(0, 31) AS n CROSS JOIN LATERAL CAST(md5(n::text) AS uuid) AS key
"""
ROWS = "SELECT to_jsonb(d) FROM dead_letter_events AS d"
EVENT = "11111111-1111-4111-8111-111111111111"
FILTERS: dict[str, tuple[list[str], Callable[[Row], bool]]] = {
    "nothing": ([], lambda row: True),
    "reason": (["--reason", "NO template gone"], lambda row: "no template gone" in row["reason"]),
    "error-class": (["--error-class", "invalid_field"], lambda row: row["error_class"] == "invalid_field"),
    "template": (["--template", "t2"], lambda row: row["template_name"] == "t2"),
    "environment": (["--environment", "staging"], lambda row: row["environment"] == "staging"),
    "source": (["--source", "pubsub"], lambda row: row["source"] == "pubsub"),
    "consumer": (["--consumer", "guardrails"], lambda row: row["consumer"] == "guardrails"),
    "since": (["--since", "630m"], lambda row: row["delivery_attempts"] <= 10),
    "until": (["--until", "630m"], lambda row: row["delivery_attempts"] > 10),
    "event-id": (["--event-id", EVENT], lambda row: row["event_id"] == EVENT),
    "status": (
        ["--status", "replayed", "--status", "discarded"],
        lambda row: row["status"] in ("replayed", "discarded"),
    ),
    "all": (
        ["--reason", "retired", "--consumer", "executions", "--since", "20h", "--status", "pending"],
        lambda row: (
            "retired" in row["reason"]
            and row["consumer"] == "executions"
            and row["delivery_attempts"] < 20
            and row["status"] == "pending"
        ),
    ),
}


class Filtered:
    """The dead letters before a command, and what it left of them."""

    def __init__(self, pipeline: Pipeline, matches: Callable[[Row], bool]) -> None:
        self._query = pipeline.query
        self._query(STORE)
        self._query("UPDATE dead_letter_events SET event_id = %s WHERE event_key = md5('3')::uuid", EVENT)
        for (id_,) in self._query("SELECT id FROM dead_letter_events"):
            self._query("UPDATE dead_letter_events SET payload = %s WHERE id = %s", body(), id_)
        self._query("CREATE TABLE kept AS SELECT * FROM dead_letter_events")
        self.before = self._rows()
        self._matching = {id_ for id_, row in self.before.items() if matches(row)}

    def matching(self, *statuses: str) -> set[str]:
        return {id_ for id_ in self._matching if not statuses or self.before[id_]["status"] in statuses}

    def changed(self) -> set[str]:
        """The ids of those that are another row now, or none; everything is put back."""
        now = self._rows()
        changed = {id_ for id_, row in self.before.items() if now.get(id_) != row}
        self._query("TRUNCATE dead_letter_events")
        self._query("INSERT INTO dead_letter_events SELECT * FROM kept")
        return changed

    def _rows(self) -> dict[str, Row]:
        return {row["id"]: row for (row,) in self._query(ROWS)}


def announced(printed: str) -> int:
    found = re.search(r"^([\d,]+)", printed)
    return int(found[1]) if found else 0


@pytest.mark.parametrize("name", FILTERS)
def test_each_command_acts_on_what_its_filter_matches(
    pipeline: Pipeline, prompt_worker: Command, name: str
) -> None:
    options, matches = FILTERS[name]
    letters = Filtered(pipeline, matches)
    everything = letters.matching()
    assert everything

    lines = prompt_worker("dead-letters", "list", "--limit", "0", "--json", *options).splitlines()
    assert {json.loads(line)["id"] for line in lines if line.startswith("{")} == everything
    assert json.loads(prompt_worker("dead-letters", "summary", "--json", *options))["total"] == len(
        everything
    )

    discard = ["dead-letters", "discard", "--because", "was retired", *options]
    ended = letters.matching("pending", "replayed")
    assert announced(prompt_worker(*discard)) == len(ended)
    assert ("nothing to discard" if not ended else f"{len(ended)} discarded") in prompt_worker(
        *discard, "--yes"
    )
    assert letters.changed() == ended

    purge = ["dead-letters", "purge", "--older-than", "1h", *options]
    ended = letters.matching("resolved", "discarded")
    assert announced(prompt_worker(*purge)) == len(ended)
    assert ("nothing to purge" if not ended else f"{len(ended)} purged") in prompt_worker(*purge, "--yes")
    assert letters.changed() == ended

    replayed = everything if "--status" in options else letters.matching("pending")
    replay = ["dead-letters", "replay", *options]
    assert f"{len(replayed)} events: " in prompt_worker(*replay) or not replayed
    printed = prompt_worker(*replay, "--yes", "--wait", "0")
    assert (f"{len(replayed)} sent" if replayed else "no dead letters to replay") in printed
    published = (
        {str(id_of(message.data)) for message in sent(pipeline, len(replayed), 5)} if replayed else set()
    )
    payloads = {id_: bytes.fromhex(letters.before[id_]["payload"][2:]) for id_ in replayed}
    assert published == {str(id_of(payload)) for payload in payloads.values()}
    assert letters.changed() == replayed


def test_history_shows_a_filter_beside_the_reason(pipeline: Pipeline, prompt_worker: Command) -> None:
    Filtered(pipeline, lambda row: True)
    prompt_worker(
        "dead-letters", "discard", "--reason", "no template gone", "--because", "was retired", "--yes"
    )
    printed = prompt_worker("dead-letters", "history")
    assert "no template gone" in printed
    assert "because was retired" in printed
    assert UUID(printed.rpartition("; ")[2].strip())
