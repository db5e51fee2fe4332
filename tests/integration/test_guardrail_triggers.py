"""Guardrail statistics equal a recount of the rows, whoever writes at the same time (P2)."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID, uuid4

import pytest
from counting import together, until_one_waits
from queries import rows, scalar
from sqlalchemy import Engine

from prompt_schema.statistics import rebuild, recount

COUNTERS = "SELECT total_checks, violation_count, false_positive_count FROM prompt_guardrails WHERE id = :id"


@pytest.fixture
def guardrails(engine: Engine) -> list[UUID]:
    return [found for (found,) in rows(engine, "SELECT id FROM prompt_guardrails ORDER BY id")]


def evaluate(engine: Engine, guardrails: list[UUID], events: int = 1) -> list[UUID]:
    ids = [uuid4() for _ in range(events)]
    rows(
        engine,
        "INSERT INTO guardrail_evaluations (event_id, guardrail_ids, outcome, detector_version, evaluation_ms) "
        "SELECT unnest(CAST(:ids AS uuid[])), CAST(:checked AS uuid[]), 'allow', '-', 0",
        ids=ids,
        checked=guardrails,
    )
    return ids


def violate(engine: Engine, guardrail: UUID, **columns: Any) -> UUID:
    columns = {
        "event_id": uuid4(),
        "source": "worker",
        "guardrail_id": guardrail,
        "guardrail_name": "g",
        "field": "prompt",
        "rule": "r",
        "executed_at": "2026-03-01T12:00:00Z",
    } | columns
    return UUID(
        str(
            scalar(
                engine,
                f"INSERT INTO guardrail_violations ({', '.join(columns)}) "
                f"VALUES ({', '.join(f':{name}' for name in columns)}) RETURNING id",
                **columns,
            )
        )
    )


def mark(engine: Engine, violation: UUID, by: str | None) -> None:
    rows(
        engine,
        "UPDATE guardrail_violations SET false_positive_by = CAST(:by AS text), "
        "false_positive_at = CASE WHEN CAST(:by AS text) IS NOT NULL THEN now() END "
        "WHERE id = :id AND (false_positive_by IS NULL) = (CAST(:by AS text) IS NOT NULL)",
        id=violation,
        by=by,
    )


def test_checks_are_counted_for_each_guardrail(engine: Engine, guardrails: list[UUID]) -> None:
    evaluate(engine, guardrails[:2], events=3)
    evaluate(engine, [guardrails[1], uuid4()], events=4)
    evaluate(engine, [])
    assert [rows(engine, COUNTERS, id=one)[0][0] for one in guardrails] == [3, 7, 0]
    assert recount(engine) == []


def test_concurrent_writers_neither_deadlock_nor_miscount(engine: Engine, guardrails: list[UUID]) -> None:
    """Each transaction counts checks of some guardrails and then violations of others, in any order."""

    def write(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(15):
            with engine.begin() as connection:
                checked = chance.sample(guardrails, 2)
                connection.exec_driver_sql(
                    "INSERT INTO guardrail_evaluations (event_id, guardrail_ids, outcome, detector_version, "
                    "evaluation_ms) VALUES (uuid_v7(), %s::uuid[], 'allow', '-', 0)",
                    ([str(one) for one in checked],),
                )
                for one in chance.sample(guardrails, 3):
                    connection.exec_driver_sql(
                        "INSERT INTO guardrail_violations (event_id, source, guardrail_id, guardrail_name, field, "
                        "rule, executed_at) VALUES (uuid_v7(), 'worker', %s, 'g', 'prompt', 'r', now())",
                        (str(one),),
                    )

    together(*[lambda seed=seed: write(seed) for seed in range(8)])  # type: ignore[misc]
    assert scalar(engine, "SELECT sum(total_checks) FROM prompt_guardrails") == 8 * 15 * 2
    assert scalar(engine, "SELECT sum(violation_count) FROM prompt_guardrails") == 8 * 15 * 3
    assert recount(engine) == []


def test_concurrent_marks_of_one_violation_count_once(engine: Engine, guardrails: list[UUID]) -> None:
    violations = [violate(engine, guardrails[0]) for _ in range(5)]
    together(*[lambda by=by: [mark(engine, one, by) for one in violations] for by in "abcdefgh"])  # type: ignore[misc]
    assert rows(engine, COUNTERS, id=guardrails[0]) == [(0, 5, 5)]
    together(*[lambda: [mark(engine, one, None) for one in violations[:3]] for _ in range(4)])
    assert rows(engine, COUNTERS, id=guardrails[0]) == [(0, 5, 2)]
    assert recount(engine) == []


def test_marks_in_one_statement_count_for_each_guardrail(engine: Engine, guardrails: list[UUID]) -> None:
    for one in guardrails:
        violate(engine, one)
        violate(engine, one, source="inline", repeated=True, field="guardrail_violations[0]")
    rows(engine, "UPDATE guardrail_violations SET false_positive_by = 'o', false_positive_at = now()")
    assert [rows(engine, COUNTERS, id=one)[0] for one in guardrails] == [(0, 1, 1)] * 3
    rows(engine, "UPDATE guardrail_violations SET rule = 'other'")  # a mark is left as it is
    assert [rows(engine, COUNTERS, id=one)[0] for one in guardrails] == [(0, 1, 1)] * 3
    assert recount(engine) == []


def test_mark_without_a_name_is_refused(engine: Engine, guardrails: list[UUID]) -> None:
    violation = violate(engine, guardrails[0])
    with pytest.raises(Exception, match="guardrail_violations_check"):
        rows(engine, "UPDATE guardrail_violations SET false_positive_at = now() WHERE id = :id", id=violation)


def test_wrong_counters_are_rebuilt_beside_a_writer(engine: Engine, guardrails: list[UUID]) -> None:
    evaluate(engine, guardrails, events=5)
    mark(engine, violate(engine, guardrails[0]), "ana")
    rows(
        engine, "UPDATE prompt_guardrails SET total_checks = 9, violation_count = 9, false_positive_count = 9"
    )
    assert len(recount(engine)) == 9
    with engine.connect() as writer:
        writer.exec_driver_sql(
            "INSERT INTO guardrail_evaluations (event_id, guardrail_ids, outcome, detector_version, evaluation_ms) "
            "SELECT uuid_v7(), array_agg(id), 'allow', '-', 0 FROM prompt_guardrails"
        )

        def commit() -> None:
            until_one_waits(engine)
            writer.commit()

        assert together(lambda: rebuild(engine), commit)[0] == 3
    assert [rows(engine, COUNTERS, id=one)[0] for one in guardrails] == [(6, 1, 1), (6, 0, 0), (6, 0, 0)]
    assert recount(engine) == []


def test_rows_of_a_deleted_guardrail_remain(engine: Engine, guardrails: list[UUID]) -> None:
    evaluate(engine, guardrails)
    violate(engine, guardrails[0])
    rows(engine, "DELETE FROM prompt_guardrails WHERE id = :id", id=guardrails[0])
    evaluate(engine, guardrails)
    violate(engine, guardrails[0])
    assert scalar(engine, "SELECT count(*) FROM guardrail_violations") == 2
    assert recount(engine) == []
