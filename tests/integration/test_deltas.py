"""Batches leave deltas: views are exact at every moment, columns after a fold, and no writer waits for another."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from counting import COUNTERS, EXPERIMENT, NOON, TEMPLATES, begin_experiment, execution, insert, together
from queries import change_in_place, rows, run_script, scalar
from sqlalchemy import Connection, Engine, event, text

from prompt_schema.statistics import rebuild, recount
from prompt_worker.consuming import folding as folding_module
from prompt_worker.consuming.folding import folding

SEEN = COUNTERS.replace("prompt_templates", "v_template_performance")
DELTAS = (
    "SELECT (SELECT count(*) FROM prompt_template_deltas) + (SELECT count(*) FROM ab_test_deltas) "
    "+ (SELECT count(*) FROM guardrail_deltas)"
)

EARLIER = NOON - timedelta(hours=1)
MARK = "SET LOCAL prompt_worker.batch = on; "
ONE = (
    "INSERT INTO prompt_executions (template_id, template_name, template_version, ab_test_group, input_variables, "
    "rendered_prompt, status, executed_at) "
    "VALUES (:template_id, :template_name, 1, :ab_test_group, '{}', '-', :status, :executed_at)"
)
CHECK = (
    "INSERT INTO guardrail_evaluations (event_id, guardrail_ids, outcome, detector_version, evaluation_ms) "
    "VALUES (:event, CAST(:ids AS uuid[]), 'allow', '-', 0)"
)
VIOLATION = (
    "INSERT INTO guardrail_violations (event_id, source, guardrail_id, guardrail_name, field, rule, executed_at) "
    "VALUES (:event, 'worker', :id, 'g', 'prompt', 'r', now())"
)


@contextmanager
def batches(engine: Engine) -> Iterator[None]:
    """What is written through the engine meanwhile is a batch."""

    def mark(connection: Connection) -> None:
        connection.exec_driver_sql("SET LOCAL prompt_worker.batch = on")

    event.listen(engine, "begin", mark)
    try:
        yield
    finally:
        event.remove(engine, "begin", mark)


def batch(engine: Engine, *executions: dict[str, object]) -> None:
    with batches(engine):
        insert(engine, *executions)


def fold(engine: Engine) -> object:
    return scalar(engine, "SELECT fold_statistics()")


def test_batch_is_in_the_view_at_once_and_in_the_columns_folded(
    engine: Engine, template: tuple[UUID, str]
) -> None:
    insert(engine, execution(template, execution_time_ms=100))
    batch(engine, execution(template, execution_time_ms=201), execution(template, status="failure"))
    assert rows(engine, COUNTERS, id=template[0]) == [(1, 1, 0, 100.0, None, None)]
    assert rows(engine, SEEN, id=template[0]) == [(3, 2, 1, 150.5, None, None)]
    assert fold(engine) == 1
    assert rows(engine, COUNTERS, id=template[0]) == rows(engine, SEEN, id=template[0])
    assert rows(engine, SEEN, id=template[0]) == [(3, 2, 1, 150.5, None, None)]
    assert scalar(engine, DELTAS) == fold(engine) == 0
    assert recount(engine) == []


def test_other_program_reads_its_own_number_beside_deltas(engine: Engine, template: tuple[UUID, str]) -> None:
    begin_experiment(engine, template)
    batch(engine, execution(template, ab_test_group="control"))
    before = scalar(engine, "SELECT total_executions FROM prompt_templates WHERE id = :id", id=template[0])
    insert(engine, execution(template, ab_test_group="variant_a"), execution(template))
    after = scalar(engine, "SELECT total_executions FROM prompt_templates WHERE id = :id", id=template[0])
    assert (before, after) == (0, 2)
    assert rows(engine, EXPERIMENT) == [(1, 0, {"variant_a": 1})]
    assert rows(engine, EXPERIMENT.replace("ab_test_experiments", "v_active_ab_tests")) == [
        (2, 1, {"variant_a": 1})
    ]
    assert recount(engine) == []


def test_batch_of_an_experiment_and_guardrails_is_folded(engine: Engine, template: tuple[UUID, str]) -> None:
    begin_experiment(engine, template)
    batch(engine, *[execution(template, ab_test_group=group) for group in ("control", "a", "a", "b", None)])
    checked = [found for (found,) in rows(engine, "SELECT id FROM prompt_guardrails ORDER BY id")]
    for _ in range(3):
        rows(engine, MARK + CHECK, event=uuid4(), ids=[*checked, uuid4()])
    rows(engine, MARK + VIOLATION, event=uuid4(), id=checked[0])
    assert scalar(engine, "SELECT sum(total_checks) FROM prompt_guardrails") == 0
    assert scalar(engine, "SELECT sum(total_checks) FROM v_guardrail_statistics") == 9
    assert recount(engine) == []
    fold(engine)
    assert rows(engine, EXPERIMENT) == [(4, 1, {"a": 2, "b": 1})]
    counted = "SELECT total_checks, violation_count FROM prompt_guardrails ORDER BY id"
    assert rows(engine, counted) == [(3, 1), (3, 0), (3, 0)]
    # Of the guardrail that does not exist nothing is left.
    assert scalar(engine, DELTAS) == 0
    assert recount(engine) == []


def test_batches_and_fold_wait_for_nobody(engine: Engine) -> None:
    """Not for a template that somebody has locked: what is its is folded the next time."""
    first, second, *_ = rows(engine, TEMPLATES)
    with engine.connect() as other:
        other.execute(text("SELECT FROM prompt_templates WHERE id = :id FOR NO KEY UPDATE"), {"id": first[0]})
        rows(engine, "SET lock_timeout = '100ms'")
        batch(engine, execution(first), execution(second))  # type: ignore[arg-type]
        assert fold(engine) == 1
        assert scalar(engine, DELTAS) == 1
        assert recount(engine) == []
        other.rollback()
    assert fold(engine) == 1
    assert rows(engine, "SELECT total_executions FROM prompt_templates WHERE total_executions > 0") == [
        (1,),
        (1,),
    ]


def test_only_one_session_folds_and_the_other_does_not_wait(
    engine: Engine, template: tuple[UUID, str]
) -> None:
    batch(engine, execution(template))
    with engine.connect() as other:
        other.execute(text("SELECT fold_statistics()"))
        assert fold(engine) is None
        other.rollback()
    assert fold(engine) == 1
    assert rows(engine, COUNTERS, id=template[0])[0][0] == 1


def test_fold_ends_however_many_deltas_wait(engine: Engine, template: tuple[UUID, str]) -> None:
    """Of millions it would be ended by its time limit, each time, while those that wait become more."""
    most, more = 100_000, 50_001
    begin_experiment(engine, template)
    run_script(
        engine,
        f"INSERT INTO prompt_template_deltas SELECT id, 1, 1, 0, 0, 0, 0, 0, 0, 0 "
        f"FROM prompt_templates, generate_series(1, {most + more}) WHERE id = '{template[0]}'; "
        f"INSERT INTO ab_test_deltas SELECT id, 'a', 1 FROM ab_test_experiments, generate_series(1, {most + more}); "
        f"INSERT INTO guardrail_deltas SELECT id, 1, 0, 0 FROM (SELECT id FROM prompt_guardrails LIMIT 1) g, "
        f"generate_series(1, {most + more})",
    )
    assert fold(engine) == 3
    assert scalar(engine, DELTAS) == 3 * more
    assert rows(engine, COUNTERS, id=template[0])[0][0] == most
    assert rows(engine, SEEN, id=template[0])[0][0] == most + more
    assert fold(engine) == 3
    assert scalar(engine, DELTAS) == fold(engine) == 0
    assert rows(engine, COUNTERS, id=template[0])[0][0] == most + more
    assert rows(engine, EXPERIMENT) == [(most + more, 0, {"a": most + more})]


def test_changed_rule_discards_its_deltas_and_recounts(engine: Engine, template: tuple[UUID, str]) -> None:
    begin_experiment(engine, template)
    batch(engine, execution(template, ab_test_group="control"), execution(template, ab_test_group="a"))
    rows(engine, "UPDATE ab_test_experiments SET status = 'completed', actual_end_date = '2026-02-01Z'")
    assert rows(engine, EXPERIMENT) == [(0, 0, {"a": 0})]
    fold(engine)
    assert rows(engine, EXPERIMENT) == [(0, 0, {"a": 0})]
    rows(engine, "UPDATE ab_test_experiments SET actual_end_date = '2026-04-01Z'")
    assert rows(engine, EXPERIMENT) == [(2, 1, {"a": 1})]
    assert recount(engine) == []


def test_rename_deactivation_and_deletion_keep_deltas_right(
    engine: Engine, template: tuple[UUID, str]
) -> None:
    change_in_place(engine)
    batch(engine, execution(template))
    rows(
        engine,
        "UPDATE prompt_templates SET name = 'renamed', is_active = false WHERE id = :id",
        id=template[0],
    )
    fold(engine)
    assert rows(engine, COUNTERS, id=template[0])[0][0] == 1
    batch(engine, execution(template))
    rows(engine, "DELETE FROM prompt_executions")
    rows(engine, "DELETE FROM prompt_templates WHERE id = :id", id=template[0])
    fold(engine)
    assert scalar(engine, DELTAS) == 0


def test_counters_grow_beyond_four_bytes(engine: Engine, template: tuple[UUID, str]) -> None:
    most = 2**31 - 1
    rows(
        engine,
        "UPDATE prompt_templates SET total_executions = :n, success_count = :n, execution_time_ms_count = :n, "
        "token_count_count = :n, cost_usd_count = :n",
        n=most,
    )
    rows(engine, "UPDATE prompt_guardrails SET total_checks = :n, violation_count = :n", n=most)
    insert(engine, execution(template, execution_time_ms=1, token_count=1, cost_usd=1))
    batch(engine, execution(template, execution_time_ms=1, token_count=1, cost_usd=1))
    assert rows(engine, SEEN, id=template[0])[0][:2] == (most + 2, most + 2)
    fold(engine)
    assert rows(engine, COUNTERS, id=template[0])[0][:2] == (most + 2, most + 2)


def test_rebuild_beside_batches_and_folds_loses_nothing(engine: Engine) -> None:
    templates = rows(engine, TEMPLATES)
    begin_experiment(engine, templates[0])  # type: ignore[arg-type]
    done = threading.Event()

    def write(seed: int, mark: str = "") -> None:
        chance = random.Random(seed)
        while not done.is_set():
            for one in chance.sample(templates, 3):
                rows(engine, mark + ONE, **execution(one, ab_test_group=chance.choice("ab")))  # type: ignore[arg-type]

    def fold_all() -> None:
        while not done.is_set():
            fold(engine)

    def repair() -> None:
        try:
            for _ in range(10):
                rows(engine, "UPDATE prompt_templates SET total_executions = total_executions + 5, "
                     "execution_time_ms_sum = 7 WHERE id = :id", id=templates[1][0])  # fmt: skip
                rows(engine, "UPDATE ab_test_experiments SET control_executions = 3")
                assert rebuild(engine) >= 1
        finally:
            done.set()

    together(lambda: write(1, MARK), lambda: write(2, MARK), lambda: write(3), fold_all, repair)
    assert recount(engine) == []
    fold(engine)
    assert recount(engine) == []
    assert scalar(engine, DELTAS) == 0


def test_all_that_changes_templates_beside_batches_and_folds(engine: Engine) -> None:
    """Renames, deactivations, deletions, changed rules and rebuilds: no deadlock, and exact."""
    change_in_place(engine)
    templates = rows(engine, TEMPLATES)
    begin_experiment(engine, templates[0])  # type: ignore[arg-type]
    done = threading.Event()

    def write(seed: int, mark: str = "") -> None:
        chance = random.Random(seed)
        while not done.is_set():
            one = execution(chance.choice(templates), ab_test_group=chance.choice("ab"))  # type: ignore[arg-type]
            rows(engine, mark + ONE, **one)

    def fold_all() -> None:
        while not done.is_set():
            fold(engine)

    def change() -> None:
        try:
            for number in range(15):
                rows(engine, "INSERT INTO prompt_templates (name, template_text, version) VALUES (:n, 't', 1)",
                     n=f"short {number}")  # fmt: skip
                [short] = rows(engine, "SELECT id, name FROM prompt_templates WHERE name LIKE 'short%'")
                rows(engine, MARK + ONE, **execution(short))  # type: ignore[arg-type]
                rows(engine, "UPDATE prompt_templates SET is_active = NOT is_active, name = name || :n WHERE id = :id",
                     n=f" {number}", id=templates[1][0])  # fmt: skip
                rows(
                    engine,
                    "UPDATE ab_test_experiments SET actual_end_date = :end",
                    end=EARLIER if number % 2 else None,
                )
                rows(
                    engine, "UPDATE prompt_templates SET success_count = 0 WHERE id = :id", id=templates[2][0]
                )
                rebuild(engine)
                rows(engine, "DELETE FROM prompt_executions WHERE template_id = :id", id=short[0])
                rows(engine, "DELETE FROM prompt_templates WHERE id = :id", id=short[0])
        finally:
            done.set()

    together(lambda: write(1, MARK), lambda: write(2, MARK), lambda: write(3), fold_all, change)
    rebuild(engine)
    assert [found for found in recount(engine) if found.table != "prompt_executions"] == []
    fold(engine)
    assert scalar(engine, DELTAS) == 0
    assert [found for found in recount(engine) if found.table != "prompt_executions"] == []


def test_view_is_exact_at_every_moment_beside_writers(engine: Engine) -> None:
    templates = rows(engine, TEMPLATES)
    begin_experiment(engine, templates[0])  # type: ignore[arg-type]
    until = time.monotonic() + 2

    def write(seed: int) -> None:
        chance = random.Random(seed)
        while time.monotonic() < until:
            one = execution(chance.choice(templates), ab_test_group="a")  # type: ignore[arg-type]
            rows(engine, MARK + ONE, **one)

    def check() -> None:
        while time.monotonic() < until:
            assert recount(engine) == []

    def fold_all() -> None:
        while time.monotonic() < until:
            fold(engine)

    together(lambda: write(1), lambda: write(2), fold_all, check)
    assert scalar(engine, "SELECT sum(total_executions) FROM v_template_performance") == scalar(
        engine, "SELECT count(*) FROM prompt_executions"
    )


def test_worker_folds_while_it_runs_and_when_it_ends(
    engine: Engine, template: tuple[UUID, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folding_module, "FOLD_SECONDS", 0.05)
    with folding(engine):
        batch(engine, execution(template))
        deadline = time.monotonic() + 5
        while not rows(engine, COUNTERS, id=template[0])[0][0]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        monkeypatch.setattr(folding_module, "FOLD_SECONDS", 3600.0)
        time.sleep(0.2)
        batch(engine, execution(template))
    assert rows(engine, COUNTERS, id=template[0])[0][0] == 2


def test_folding_goes_on_after_a_failure_that_it_logs_once(
    engine: Engine,
    template: tuple[UUID, str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(folding_module, "FOLD_SECONDS", 0.02)
    rows(engine, "ALTER FUNCTION fold_statistics() RENAME TO gone")
    with folding(engine):
        batch(engine, execution(template))
        time.sleep(0.5)
        rows(engine, "ALTER FUNCTION gone() RENAME TO fold_statistics")
        deadline = time.monotonic() + 5
        while not rows(engine, COUNTERS, id=template[0])[0][0]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert len([record for record in caplog.records if "not folded" in record.message]) == 1


def test_execution_named_as_its_template_never_was_is_reported(
    engine: Engine, template: tuple[UUID, str]
) -> None:
    other = (template[0], "another")
    batch(engine, execution(other), execution(other), execution(template))
    assert [(d.table, d.key, d.stored, d.counted) for d in recount(engine)] == [
        ("prompt_executions", "another v1", f"2 executions of {template[1]} v1", "0 executions")
    ]
    assert rebuild(engine) == 0
    rows(engine, "INSERT INTO prompt_template_names (template_id, name, version) VALUES (:id, 'another', 1)",
         id=template[0])  # fmt: skip
    assert recount(engine) == []


def release(engine: Engine, template: tuple[UUID, str]) -> None:
    """Whatever a version goes through until it is active."""
    rows(engine, "UPDATE prompt_names SET approvals_needed = 1, rules = '[]', blocked_reason = 'x'")
    (new,) = rows(
        engine,
        "INSERT INTO prompt_templates (name, version, category, template_text) "
        "VALUES (:name, NULL, 'c', '{% include \"x\" %}') RETURNING id",
        name=template[1],
    )
    rows(engine, "INSERT INTO prompt_translations (template_id, language, template_text) VALUES (:id, 'de', 'x')",
         id=new[0])  # fmt: skip
    rows(engine, "INSERT INTO prompt_labels (name, label, template_id) VALUES (:name, 'l', :id)",
         name=template[1], id=new[0])  # fmt: skip
    rows(engine, "UPDATE prompt_templates SET author = 'x' WHERE id = :id", id=new[0])
    assert scalar(engine, "SELECT prompt_frozen_because(:id)", id=new[0]) == "has a label"
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL prompt_worker.person = 'ann'"))
        connection.execute(
            text(
                "INSERT INTO prompt_reviews (template_id, content_sha256, verdict) "
                "SELECT id, content_sha256, 'approved' FROM prompt_templates WHERE id = :id"
            ),
            {"id": new[0]},
        )
    rows(engine, "UPDATE prompt_templates SET is_active = true WHERE id = :id", id=new[0])


def test_own_columns_of_any_name_change_nothing(engine: Engine, template: tuple[UUID, str]) -> None:
    """An owner may add columns: none is taken for a variable of our functions."""
    names = set()
    for (source,) in rows(
        engine, "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
    ):
        declared = (
            source.partition("DECLARE")[2].partition("BEGIN")[0] + source.partition("(")[2].partition(")")[0]
        )
        names |= {
            word for word in re.findall(r"\b[a-z_]+\b", declared) if word not in ("of", "any", "all", "from")
        }
    tables = ("prompt_templates", "prompt_executions", "ab_test_experiments", "prompt_guardrails",
              "guardrail_evaluations", "guardrail_violations", "prompt_translations", "prompt_registry",
              "prompt_names", "prompt_labels", "prompt_history", "prompt_policies", "prompt_reviews",
              "prompt_cases")  # fmt: skip
    for table in tables:
        present = {
            name
            for (name,) in rows(
                engine, f"SELECT attname FROM pg_attribute WHERE attrelid = '{table}'::regclass"
            )
        }
        run_script(engine, f"ALTER TABLE {table} " + ", ".join(
            f'ADD "{name}" text DEFAULT \'x\'' for name in sorted(names - present)))  # fmt: skip
    release(engine, template)
    begin_experiment(engine, template)
    insert(engine, execution(template, ab_test_group="a"))
    batch(engine, execution(template, ab_test_group="a"))
    checked = [found for (found,) in rows(engine, "SELECT id FROM prompt_guardrails")]
    for mark in ("", MARK):
        rows(engine, mark + CHECK, event=uuid4(), ids=checked)
        rows(engine, mark + VIOLATION, event=uuid4(), id=checked[0])
    rows(engine, "UPDATE guardrail_violations SET false_positive_by = 'me', false_positive_at = now()")
    assert recount(engine) == []
    fold(engine)
    change_in_place(engine)
    rows(
        engine,
        "UPDATE prompt_templates SET total_executions = 7, name = 'another' WHERE id = :id",
        id=template[0],
    )
    rows(engine, "UPDATE prompt_guardrails SET total_checks = 7")
    rows(engine, "UPDATE ab_test_experiments SET total_executions = 7")
    assert rebuild(engine) == 1 + len(checked) + 1
    rows(engine, "UPDATE ab_test_experiments SET status = 'paused'")
    assert recount(engine) == []
    assert rows(engine, "SELECT checked FROM sweep_dead_letters(10)") == [(0,)]
