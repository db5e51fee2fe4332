"""`dead-letters list | summary | show`: what is in the database is found, counted and shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from prompt_worker.commands.cli import main
from prompt_worker.commands.dead_letters.reports.listing import PAGE
from prompt_worker.deadletters.summary import COLUMNS
from tests.support.deadletters import GUARDRAILS, PUBLISHED, Letters, forwarded, letter, made
from tests.support.events import body, id_of

Captured = pytest.CaptureFixture[str]
SECRET = "zanzibar"


@pytest.fixture
def letters(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Letters]:
    monkeypatch.setenv("DATABASE_URL", database)
    opened = Letters(database)
    yield opened
    opened.close()


@pytest.fixture
def varied(letters: Letters) -> Letters:
    """Ten dead letters of four causes, three workers' and Pub/Sub's."""
    minutes = [(PUBLISHED + timedelta(minutes=n)).isoformat() for n in range(6)]
    letters.handle(
        *[
            letter(body(template_name="t", environment="dev", rendered_prompt=SECRET), made(last_seen=minute))
            for minute in minutes
        ],
        letter(b"not JSON", made(error_class="invalid_json", reason="not JSON: malformed (byte 0)")),
        letter(b"not JSON either", made(error_class="invalid_json", reason="not JSON: malformed (byte 7)")),
        letter(body(), made(source=GUARDRAILS, error_class="evaluation_failed", reason="KeyError")),
        letter(body(), forwarded()),
    )
    return letters


def run(capsys: Captured, *arguments: object) -> tuple[int, str, str]:
    code = main(["dead-letters", *map(str, arguments)])
    return code, *capsys.readouterr()


def listed(capsys: Captured, *arguments: object) -> list[dict[str, object]]:
    _, out, _ = run(capsys, "list", "--json", *arguments)
    return [json.loads(line) for line in out.splitlines()]


def test_list_has_a_line_each_the_newest_first(varied: Letters, capsys: Captured) -> None:
    code, out, err = run(capsys, "list")
    head, *lines = out.splitlines()
    assert (code, err) == (0, "")
    assert head.split("\t")[:2] == ["id", "status"]
    assert [line.split("\t")[0] for line in lines] == [str(row.id) for row in reversed(varied.rows())]
    assert SECRET not in out


def test_list_pages_join_without_gap_or_repeat(varied: Letters, capsys: Captured) -> None:
    whole = [row["id"] for row in listed(capsys)]
    found: list[object] = []
    while page := listed(capsys, "--limit", 4, *(["--after", found[-1]] if found else [])):
        found += [row["id"] for row in page]
        varied.handle(letter(body()))  # a new one does not move the pages
    assert found == whole


def test_full_list_page_says_how_to_continue(varied: Letters, capsys: Captured) -> None:
    _, out, err = run(capsys, "list", "--limit", 2)
    assert f"--after {out.splitlines()[-1].partition(chr(9))[0]}" in err


@pytest.mark.parametrize(
    ("given", "number"),
    [
        ("--reason TEMPLATE", 6),
        ("--error-class invalid_json", 2),
        ("--template t", 6),
        ("--environment dev", 6),
        ("--source pubsub", 1),
        ("--consumer guardrails", 1),
        ("--since 2026-05-06T07:10:09Z --template t", 4),
        ("--until 2026-05-06T07:10:09Z --template t", 2),
        ("--status pending", 10),
        ("--status replayed --status resolved", 0),
        ("--error-class invalid_json --source pubsub", 0),
        ("--reason byte% ", 0),
    ],
)
def test_filters_are_combined_with_and(varied: Letters, capsys: Captured, given: str, number: int) -> None:
    assert len(listed(capsys, *given.split())) == number
    code, out, _ = run(capsys, "summary", "--json", *given.split())
    summary = json.loads(out)
    assert (code, summary["total"]) == (0, number)
    assert sum(group["number"] for group in summary["groups"]) == number


def test_list_finds_an_event_by_its_id(varied: Letters, capsys: Captured) -> None:
    (row,) = varied.rows("source = 'pubsub'")
    assert [found["id"] for found in listed(capsys, "--event-id", row.event_id)] == [str(row.id)]


def test_filter_without_matches_says_so(varied: Letters, capsys: Captured) -> None:
    for command in ("list", "summary"):
        code, out, err = run(capsys, command, "--template", "'; DROP TABLE dead_letter_events; --")
        assert code == 0
        assert "no matching dead letters" in out + err
    assert listed(capsys, "--template", "none") == []
    assert len(varied.rows()) == 10


def test_summary_groups_by_cause_the_largest_first(varied: Letters, capsys: Captured) -> None:
    varied.query("UPDATE dead_letter_events SET status = 'discarded' WHERE reason LIKE '%(byte 7)'")
    _, out, _ = run(capsys, "summary", "--json")
    summary = json.loads(out)
    first, second, *_ = summary["groups"]
    assert (summary["total"], summary["causes"]) == (10, 4)
    assert (first["error_class"], first["reason"], first["number"]) == (
        "unknown_template", "no template t version 3", 6,
    )  # fmt: skip
    assert (second["error_class"], second["pending"], second["discarded"]) == ("invalid_json", 1, 1)
    assert first["first_seen"] == "2026-05-06T07:00:00Z"
    assert first["last_seen"] == "2026-05-06T07:13:09Z"
    assert first["example"] == str(varied.rows("last_seen = '2026-05-06 07:13:09+00'")[0].id)
    assert len(first["parts"]) == COLUMNS
    assert (sum(first["parts"]), first["parts"][-1], second["parts"][-1]) == (6, 1, 0)


def test_limited_summary_counts_the_other_causes_too(varied: Letters, capsys: Captured) -> None:
    _, out, err = run(capsys, "summary", "--limit", 1)
    assert len(out.splitlines()) == 2
    assert "10 dead letters of 4 causes; the 1 largest are shown" in err


def test_summary_of_a_single_dead_letter(letters: Letters, capsys: Captured) -> None:
    letters.handle(letter(b"x"))
    _, out, _ = run(capsys, "summary", "--json")
    assert sum(json.loads(out)["groups"][0]["parts"]) == 1


def test_show_prints_everything_but_unrevealed_texts(varied: Letters, capsys: Captured) -> None:
    row = varied.rows("template_name = 't'")[0]
    [(action,)] = varied.query(
        "INSERT INTO dead_letter_actions (action, by) VALUES ('replay', 'ana') RETURNING id"
    )
    varied.query(
        "INSERT INTO dead_letter_outcomes (action_id, dead_letter_id, outcome) VALUES (%s, %s, 'refused')",
        str(action), str(row.id),
    )  # fmt: skip
    for key in (row.id, row.event_id):
        code, out, _ = run(capsys, "show", key)
        assert code == 0
        for expected in (
            str(row.id),
            row.reason,
            "dead-letter-message-id",
            '"template_name": "t"',
            "replay ana refused",
        ):
            assert expected in out
        assert SECRET not in out
        assert "--reveal" in out
    assert SECRET in run(capsys, "show", row.id, "--reveal")[1]
    document = json.loads(run(capsys, "show", row.id, "--json")[1])
    assert document["payload"]["event_id"] == str(row.event_id)
    assert document["attributes"] == row.attributes
    assert document["actions"][0]["by"] == "ana"
    assert SECRET not in json.dumps(document)


def test_show_prints_the_copy_of_a_corrected_event(varied: Letters, capsys: Captured) -> None:
    row = varied.rows("template_name = 't'")[0]
    varied.query(f"UPDATE dead_letter_events SET superseded_by = '{uuid4()}' WHERE id = '{row.id}'")
    varied.handle(letter(row.payload))
    shown = json.loads(run(capsys, "show", id_of(row.payload), "--json")[1])
    assert (shown["superseded_by"], shown["id"] != str(row.id)) == (None, True)


def test_show_of_an_unknown_id_says_where_ids_are_found(varied: Letters, capsys: Captured) -> None:
    code, _, err = run(capsys, "show", uuid4())
    assert code == 66
    assert "'prompt-worker dead-letters list'" in err


def test_list_first_resolves_letters_whose_row_exists(letters: Letters, capsys: Captured) -> None:
    encoded = body()
    with letters.transaction() as writing:
        writing.execute(
            "INSERT INTO prompt_executions (id, template_id, template_name, template_version, input_variables, "
            "rendered_prompt, status) SELECT %s, id, name, 1, '{}', '-', 'success' FROM prompt_templates LIMIT 1",
            (str(id_of(encoded)),),
        )
        letters.handle(letter(encoded))
    assert letters.statuses() == ["pending"]
    assert [row["status"] for row in listed(capsys)] == ["resolved"]


def test_database_without_schema_is_explained(
    empty_database: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database)
    code, _, err = run(capsys, "summary")
    assert code == 69
    assert "prompt-worker verify" in err


def test_terminal_gets_tables(varied: Letters, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    varied.handle(*[letter(b"%d" % n) for n in range(PAGE)])
    _, out, _ = run(capsys, "list", "--limit", 0)
    assert out.count("error class") == 2
    _, out, _ = run(capsys, "summary")
    assert "█" in out


EXPLAINED = (
    Path(__file__).parents[2] / "worker/prompt_worker/deadletters/sql/summarize_dead_letters.sql"
).read_text()


def test_summary_reads_only_its_index(letters: Letters) -> None:
    letters.query(
        "INSERT INTO dead_letter_events (consumer, event_key, source, error_class, reason, cause, payload, attributes, "
        "occurrences, first_seen, last_seen) SELECT 'executions', uuid_v7(), 'worker', '-', '-', n %% 7, "
        "convert_to(repeat('x', 1300), 'UTF8'), jsonb_build_object('a', repeat('y', 300)), ARRAY[n::text], now(), "
        "now() - n * interval '1 s' FROM generate_series(1, %s) n",
        20_000,
    )
    connection = letters.engine.raw_connection()
    connection.driver_connection.autocommit = True  # type: ignore[union-attr]
    cursor = connection.cursor()
    cursor.execute("VACUUM ANALYZE dead_letter_events")
    cursor.execute("EXPLAIN " + EXPLAINED.replace("{which}", "true"), {"columns": COLUMNS, "limit": 30})
    plan = "\n".join(line for (line,) in cursor.fetchall())
    connection.close()
    assert plan.count("Index Only Scan using idx_dead_letter_events_cause") == 2
    assert "Seq Scan" not in plan
