"""`prompt-worker dead-letters edit`, `discard`, `purge`: validated, a dry run first, audited."""

from __future__ import annotations

import json
import re
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from prompt_worker.deadletters.ending import Ended, carry_out, prepare_discard
from prompt_worker.deadletters.filters import Filter
from prompt_worker.platform.postgres.engine import connect
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.process.wakeup import Wakeup
from tests.support.events import body, event
from tests.support.pipeline import Pipeline
from tests.support.replaying import letter, sent, statuses, store

pytestmark = pytest.mark.embedded_only

Command = Callable[..., str]


def only_id(pipeline: Pipeline) -> str:
    ((id_,),) = pipeline.query("SELECT id::text FROM dead_letter_events")
    return str(id_)


def test_edit_saves_a_copy_that_replaces_the_original(pipeline: Pipeline, prompt_worker: Command) -> None:
    one = event(template_version=0, rendered_prompt="a secret")
    store(
        pipeline.database, [letter(json.dumps(one).encode(), "invalid_field", "Expected `int` >= 1", own="x")]
    )
    original = only_id(pipeline)
    printed = prompt_worker("dead-letters", "edit", original, "--set", "template_version=1", "--by", "ada")
    assert "- template_version: 0\n+ template_version: 1" in printed
    assert "secret" not in printed
    ((copy, edited_from, event_id, payload),) = pipeline.query(
        "SELECT id::text, edited_from::text, event_id::text, payload FROM dead_letter_events WHERE status = 'pending'"
    )
    assert copy in printed
    assert (edited_from, event_id) == (original, one["event_id"])
    assert json.loads(bytes(payload)) == one | {"template_version": 1}
    assert pipeline.query(
        "SELECT status, superseded_by::text, payload FROM dead_letter_events WHERE id = %s", original
    )[0][:2] == ("discarded", copy)

    prompt_worker("dead-letters", "replay", "--yes", "--wait", "0", "--status", "pending")
    prompt_worker("dead-letters", "replay", "--yes", "--wait", "0", "--status", "discarded")
    (message,) = sent(pipeline, 1)
    assert json.loads(message.data)["template_version"] == 1
    assert message.attributes["own"] == "x"
    (entry,) = [
        entry
        for entry in map(json.loads, prompt_worker("dead-letters", "history", "--json").splitlines())
        if entry["action"] == "edit"
    ]
    assert (entry["by"], entry["details"], entry["counts"]) == (
        "ada",
        {"fields": ["template_version"]},
        {"edited": 1},
    )


def test_failure_of_an_edited_copy_counts_on_the_copy(pipeline: Pipeline, prompt_worker: Command) -> None:
    one = json.dumps(event(template_name="nobody-knows", template_version=0)).encode()
    store(pipeline.database, [letter(one, "invalid_field", "Expected `int` >= 1")])
    prompt_worker("dead-letters", "edit", only_id(pipeline), "--set", "template_version=1")
    prompt_worker("dead-letters", "replay", "--yes", "--wait", "0")
    (message,) = sent(pipeline, 1)
    store(pipeline.database, [letter(message.data)])
    assert pipeline.query(
        "SELECT status, times_seen, replay_count FROM dead_letter_events WHERE edited_from IS NOT NULL"
    ) == [("pending", 2, 1)]
    assert statuses(pipeline) == {"pending": 1, "discarded": 1}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("template_version=0", "--set template_version"),
        (
            "executed_at=1999-01-01T00:00:00Z",
            "not saved, it would fail again: Expected a time after 2000-01-01",
        ),
        ("event_id=00000000-0000-4000-8000-000000000000", "event_id must stay"),
        ("prompt=x", "no such field"),
    ],
)
def test_edit_that_would_fail_again_is_refused(
    pipeline: Pipeline, prompt_worker: Command, change: str, says: str
) -> None:
    store(pipeline.database, [letter(body(), "refused_by_database", "out of range")])
    assert says in prompt_worker("dead-letters", "edit", only_id(pipeline), "--set", change, code=65)
    assert statuses(pipeline) == {"pending": 1}
    assert pipeline.query("SELECT * FROM dead_letter_outcomes") == []


def test_edited_resolved_or_unknown_letter_is_not_edited(pipeline: Pipeline, prompt_worker: Command) -> None:
    store(pipeline.database, [letter(body())])
    id_ = only_id(pipeline)
    prompt_worker("dead-letters", "edit", id_, "--set", "user_id=x")
    assert "was edited before" in prompt_worker("dead-letters", "edit", id_, "--set", "user_id=y", code=65)
    assert "no dead letter" in prompt_worker(
        "dead-letters", "edit", str(uuid4()), "--set", "user_id=y", code=65
    )
    pipeline.query("UPDATE dead_letter_events SET status = 'resolved' WHERE id <> %s", id_)
    ((copy,),) = pipeline.query("SELECT id::text FROM dead_letter_events WHERE id <> %s", id_)
    assert "needs no correction" in prompt_worker("dead-letters", "edit", copy, "--set", "user_id=y", code=65)


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Sets an $EDITOR that replaces its file by a text; returns the file where it notes what it saw."""

    def use(text: str) -> Path:
        seen = tmp_path / "seen"
        program = tmp_path / "editor.py"
        program.write_text(
            "import os, sys\n"
            f"open({str(seen)!r}, 'w').write(oct(os.stat(sys.argv[1]).st_mode) + open(sys.argv[1]).read())\n"
            f"open(sys.argv[1], 'w').write({text!r})\n"
        )
        monkeypatch.delenv("VISUAL", raising=False)
        monkeypatch.setenv("EDITOR", f"{sys.executable} {program}")
        return seen

    return use


def test_body_that_is_not_json_is_corrected_in_the_editor(
    pipeline: Pipeline, prompt_worker: Command, editor: Callable[[str], Path]
) -> None:
    store(pipeline.database, [letter(b'{"status": oops}', "invalid_json", "not JSON")])
    corrected = body()
    seen = editor(corrected.decode())
    prompt_worker("dead-letters", "edit", only_id(pipeline))
    mode, _, text = seen.read_text().partition("{")
    assert stat.S_IMODE(int(mode, 8)) == 0o600
    assert text == '"status": oops}'
    ((payload,),) = pipeline.query("SELECT payload FROM dead_letter_events WHERE status = 'pending'")
    assert bytes(payload) == corrected


def test_refused_text_of_the_editor_is_not_lost(
    pipeline: Pipeline, prompt_worker: Command, editor: Callable[[str], Path]
) -> None:
    store(pipeline.database, [letter(b"oops", "invalid_json", "not JSON")])
    editor('{"still": "wrong"}')
    printed = prompt_worker("dead-letters", "edit", only_id(pipeline), code=65)
    kept = re.search(r"Your text is in (\S+):", printed)
    assert kept
    path = Path(kept[1])
    assert path.read_text() == '{"still": "wrong"}'
    path.write_bytes(body())
    prompt_worker("dead-letters", "edit", only_id(pipeline), "--file", str(path))
    path.unlink()
    assert statuses(pipeline) == {"pending": 1, "discarded": 1}


def test_discard_needs_a_reason_is_rehearsed_and_audited(pipeline: Pipeline, prompt_worker: Command) -> None:
    store(pipeline.database, [letter(body(template_name=name)) for name in ["given-up"] * 30 + ["kept"] * 3])
    arguments = ["dead-letters", "discard", "--template", "given-up"]
    with pytest.raises(SystemExit, match="2"):
        prompt_worker(*arguments)
    arguments += ["--because", "a test gone wild"]
    assert "30 pending or replayed: template given-up" in prompt_worker(*arguments)
    assert statuses(pipeline) == {"pending": 33}
    assert "30 discarded" in prompt_worker(*arguments, "--yes", "--by", "ada")
    assert statuses(pipeline) == {"pending": 3, "discarded": 30}
    assert pipeline.query(
        "SELECT by, action, counts, details, (SELECT count(*) FROM dead_letter_outcomes WHERE reason = %s) "
        "FROM dead_letter_actions",
        "a test gone wild",
    ) == [("ada", "discard", {"discarded": 30}, {"reason": "a test gone wild"}, 30)]
    assert "no dead letters to replay" in prompt_worker(
        "dead-letters", "replay", "--template", "given-up", "--yes"
    )


def test_purge_deletes_only_old_settled_dead_letters(pipeline: Pipeline, prompt_worker: Command) -> None:
    store(pipeline.database, [letter(body(template_name=f"t{n}")) for n in range(8)])
    old = "UPDATE dead_letter_events SET status = %s, changed_at = now() - %s::interval WHERE template_name = %s"
    for name, status, age in (
        ("t0", "resolved", "31 days"),
        ("t1", "discarded", "31 days"),
        ("t2", "resolved", "29 days"),
        ("t3", "discarded", "29 days"),
        ("t4", "pending", "400 days"),
        ("t5", "replayed", "400 days"),
    ):
        pipeline.query(old, status, age, name)
    assert "2 resolved or discarded before" in prompt_worker("dead-letters", "purge", "--older-than", "30d")
    assert sum(statuses(pipeline).values()) == 8
    assert "2 purged" in prompt_worker("dead-letters", "purge", "--older-than", "30d", "--yes")
    assert {name for (name,) in pipeline.query("SELECT template_name FROM dead_letter_events")} == {
        f"t{n}" for n in range(2, 8)
    }
    assert "purged" in prompt_worker("dead-letters", "history")
    ((id_,), *_) = pipeline.query("SELECT dead_letter_id::text FROM dead_letter_outcomes")
    assert "purged" in prompt_worker("dead-letters", "history", id_)


def test_purge_age_without_a_unit_is_refused(prompt_worker: Command) -> None:
    with pytest.raises(SystemExit, match="2"):
        prompt_worker("dead-letters", "purge", "--older-than", "30")


def test_thousands_are_discarded_and_purged_in_batches(pipeline: Pipeline, prompt_worker: Command) -> None:
    store(pipeline.database, [letter(body()) for _ in range(4500)])
    assert "4,500 discarded" in prompt_worker("dead-letters", "discard", "--because", "all", "--yes")
    pipeline.query("UPDATE dead_letter_events SET changed_at = now() - interval '2 days'")
    assert "4,500 purged" in prompt_worker("dead-letters", "purge", "--older-than", "1d", "--yes")
    assert statuses(pipeline) == {}
    assert pipeline.query("SELECT action, counts FROM dead_letter_actions ORDER BY id") == [
        ("discard", {"discarded": 4500}),
        ("purge", {"purged": 4500}),
    ]


def test_discard_and_purge_print_json(pipeline: Pipeline, prompt_worker: Command) -> None:
    store(pipeline.database, [letter(body()) for _ in range(3)])

    def parsed(*arguments: str) -> Any:
        return json.loads(prompt_worker("dead-letters", *arguments, "--json").splitlines()[0])

    discard = ("discard", "--because", "all")
    assert parsed(*discard) == {"matching": 3, "ended": 0, "stopped": False}
    assert parsed(*discard, "--yes") == {"matching": 3, "ended": 3, "stopped": False}
    pipeline.query("UPDATE dead_letter_events SET changed_at = now() - interval '2 days'")
    assert parsed("purge", "--older-than", "1d", "--yes") == {"matching": 3, "ended": 3, "stopped": False}


def test_redelivered_non_event_does_not_reopen_its_dead_letter(
    pipeline: Pipeline, prompt_worker: Command, tmp_path: Path
) -> None:
    broken = letter(b"oops", "invalid_json", "not JSON")
    store(pipeline.database, [broken])
    corrected = tmp_path / "corrected.json"
    corrected.write_bytes(body())
    prompt_worker("dead-letters", "edit", only_id(pipeline), "--file", str(corrected))
    store(pipeline.database, [broken, broken])
    assert statuses(pipeline) == {"pending": 1, "discarded": 1}
    store(pipeline.database, [letter(b"oops", "invalid_json", "not JSON")])  # published once more
    assert statuses(pipeline) == {"pending": 2, "discarded": 1}


def test_edit_into_the_event_of_another_letter_is_refused(
    pipeline: Pipeline, prompt_worker: Command, tmp_path: Path
) -> None:
    store(pipeline.database, [letter(b"oops", "invalid_json", "not JSON")])
    original = only_id(pipeline)
    corrected = tmp_path / "corrected.json"
    corrected.write_bytes(body())
    store(pipeline.database, [letter(corrected.read_bytes())])
    ((other,),) = pipeline.query("SELECT id::text FROM dead_letter_events WHERE id <> %s", original)
    printed = prompt_worker("dead-letters", "edit", original, "--file", str(corrected), code=65)
    assert f"{other} is already a dead letter of event" in printed
    assert statuses(pipeline) == {"pending": 2}


def test_text_of_the_editor_survives_a_database_failure(
    pipeline: Pipeline, prompt_worker: Command, editor: Callable[[str], Path]
) -> None:
    store(pipeline.database, [letter(b"oops", "invalid_json", "not JSON")])
    corrected = body()
    editor(corrected.decode())
    pipeline.query("ALTER TABLE dead_letter_actions RENAME TO unavailable")
    printed = prompt_worker("dead-letters", "edit", only_id(pipeline), code=69)
    kept = re.search(r"Your text is in (\S+):", printed)
    assert kept
    path = Path(kept[1])
    assert path.read_bytes() == corrected
    path.unlink()


def test_edit_with_both_a_file_and_fields_is_refused(
    pipeline: Pipeline, prompt_worker: Command, tmp_path: Path
) -> None:
    store(pipeline.database, [letter(body())])
    given = ("--file", str(tmp_path), "--set", "user_id=x")
    assert "leave out --set" in prompt_worker("dead-letters", "edit", only_id(pipeline), *given, code=65)


def test_audit_of_an_edit_names_only_fields_of_events(pipeline: Pipeline, prompt_worker: Command) -> None:
    store(pipeline.database, [letter(body(template_version=0, **{"a secret": 1}), "invalid_field", "x")])
    id_ = only_id(pipeline)
    prompt_worker("dead-letters", "edit", id_, "--set", "template_version=1", "--unset", "a secret")
    assert pipeline.query("SELECT details FROM dead_letter_actions") == [({"fields": ["template_version"]},)]


def test_discard_stops_between_two_batches_and_is_audited(pipeline: Pipeline) -> None:
    store(pipeline.database, [letter(body()) for _ in range(2500)])
    engine = connect(pipeline.database, application_name="tests")
    session, stop, sizes = Session(engine), Wakeup(), list[int]()

    def stop_after_the_first(size: int) -> None:
        sizes.append(size)
        stop.set()

    ending = prepare_discard(session, Filter(), "too many")
    ended = carry_out(session, ending, by="ada", stop=stop, progress=stop_after_the_first)
    engine.dispose()
    assert (ended, sizes) == (Ended(2500, 2000, stopped=True), [2000])
    assert statuses(pipeline) == {"pending": 500, "discarded": 2000}
    assert pipeline.query("SELECT by, counts, ended_at IS NOT NULL FROM dead_letter_actions") == [
        ("ada", {"discarded": 2000}, True)
    ]
