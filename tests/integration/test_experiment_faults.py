"""Evaluators that are killed, stopped or many; clocks, zones, late events and arms that nobody sees."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta

import psycopg2
import pytest
from queries import rows, scalar
from sqlalchemy import Engine

from prompt_worker.experiments.changing import stop
from prompt_worker.experiments.judging.look import Look
from prompt_worker.experiments.looking import look_at
from prompt_worker.platform.postgres.engine import connect
from prompt_worker.platform.postgres.session import Session
from tests.support.experimenting import START, add_experiment, add_versions, arm_of, execution, insert
from tests.support.forking import Forked, Forks

pytestmark = pytest.mark.embedded_only

# Of a look that is written, and whose verdict waits for the row of its experiment.
VERDICT_WAITS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' "
    "AND query LIKE 'UPDATE ab_test_experiments%'"
)


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    with Forks(tmp_path_factory.mktemp("evaluators")) as started:
        yield started


@pytest.fixture
def evaluator(forks: Forks, database: str) -> Callable[[], Forked]:
    def start() -> Forked:
        return forks.start("evaluator", ["run", "experiments"], {"DATABASE_URL": database})

    return start


def wait_for(condition: Callable[[], object], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def look(engine: Engine) -> Look:
    found = look_at(Session(engine), "wording").look
    assert found is not None
    return found


def planned_size(engine: Engine, failing: str = "") -> None:
    """An experiment that has reached its planned size; of the arm `failing` every second unit fails."""
    add_versions(engine)
    experiment = add_experiment(engine, minimum_sample_size=300)
    units = [f"u{number}" for number in range(400)]
    fails = {unit for unit in units[::2] if arm_of(experiment, unit) == failing}
    insert(
        engine,
        [execution(experiment, unit, status="failure" if unit in fails else "success") for unit in units],
    )


def test_killed_between_look_and_verdict_leaves_neither(
    engine: Engine, database: str, evaluator: Callable[[], Forked]
) -> None:
    planned_size(engine)
    with closing(psycopg2.connect(database)) as holding:
        holding.cursor().execute("SELECT FROM ab_test_experiments FOR NO KEY UPDATE")
        killed = evaluator()
        wait_for(lambda: scalar(engine, VERDICT_WAITS))
        killed.process.kill()
        assert killed.wait() == -signal.SIGKILL
        wait_for(lambda: not scalar(engine, VERDICT_WAITS))
    assert rows(engine, "SELECT (SELECT count(*) FROM ab_test_looks), verdict FROM ab_test_experiments") == [
        (0, None)
    ]
    assert look(engine).planned is not None
    assert rows(engine, "SELECT planned FROM ab_test_looks") == [(True,)]


def test_signal_ends_a_look_that_is_under_way(
    engine: Engine, database: str, evaluator: Callable[[], Forked]
) -> None:
    planned_size(engine)
    with closing(psycopg2.connect(database)) as holding:
        holding.cursor().execute("SELECT FROM ab_test_experiments FOR NO KEY UPDATE")
        stopped = evaluator()
        wait_for(lambda: scalar(engine, VERDICT_WAITS))
        asked = time.monotonic()
        stopped.process.send_signal(signal.SIGTERM)
        assert stopped.wait() == 0
        # Of the 8 seconds in which a worker ends; the lock would have been waited for, for 3.
        assert time.monotonic() - asked < 2.5
    assert "Traceback" not in stopped.said
    assert scalar(engine, "SELECT count(*) FROM ab_test_looks") == 0


def test_many_evaluators_take_the_planned_look_once(engine: Engine, evaluator: Callable[[], Forked]) -> None:
    planned_size(engine, failing="variant_a")
    started = [evaluator() for _ in range(3)]
    wait_for(lambda: scalar(engine, "SELECT verdict FROM ab_test_experiments"))
    for one in started:
        one.terminate(lambda one: '"started"' in one.said)
    assert [one.wait() for one in started] == [0] * 3
    assert rows(engine, "SELECT planned, verdict FROM ab_test_looks") == [(True, "harmful")]
    # The one that looked first says so, and no other.
    alerts = [entry for one in started for entry in one.logs if entry.get("event") == "experiment_alert"]
    [alert] = alerts
    assert (alert["severity"], alert["experiment"], alert["verdict"], alert["arm"]) == (
        "ERROR", "wording", "harmful", "variant_a",
    )  # fmt: skip
    assert alert["template_name"] == "lesson"


def test_clock_of_an_evaluator_decides_nothing(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    planned_size(engine)
    with monkeypatch.context() as patched:
        # As a process in 1970 has it.
        patched.setattr(time, "time", lambda: 0.0)
        found = look(engine)
    assert found.planned is not None
    assert abs((found.evidence.at - scalar(engine, "SELECT now()")).total_seconds()) < 60


def test_zone_of_database_and_session_changes_no_look(engine: Engine, database: str) -> None:
    add_versions(engine)
    experiment = add_experiment(engine, actual_end_date=START + timedelta(days=2))
    hours = (0, 1, 24, 47, 48)
    insert(
        engine,
        [
            execution(experiment, f"u{hour}", executed_at=(START + timedelta(hours=hour)).isoformat())
            for hour in hours
        ],
    )
    before = look(engine)
    assert before.evidence.excluded == {"out_of_time": 1}
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        rows(engine, f"ALTER DATABASE {engine.url.database} SET timezone = '{zone}'")
        elsewhere = connect(f"{database}?options=-c%20timezone%3D{zone}", application_name="test")
        after = look_at(Session(elsewhere), "wording")
        elsewhere.dispose()
        assert after.look is not None
        assert not after.is_new
        assert after.look.comparisons == before.comparisons


def test_arm_without_events_is_compared_with_nothing(engine: Engine) -> None:
    add_versions(engine, 3)
    experiment = add_experiment(
        engine, arms={"control": 1, "variant_a": 2, "variant_b": 3}, minimum_sample_size=300
    )
    units = [unit for unit in (f"u{n}" for n in range(60)) if arm_of(experiment, unit) != "variant_b"]
    insert(engine, [execution(experiment, unit, execution_time_ms=7) for unit in units])
    found = look(engine)
    assert found.verdict.name == "collecting"
    empty = next(each for each in found.comparisons if each.arm == "variant_b")
    assert (empty.value, empty.difference, empty.p_value) == (None, None, None)


def test_late_events_of_an_ended_experiment_count_by_their_time(engine: Engine) -> None:
    add_versions(engine)
    experiment = add_experiment(engine)
    insert(engine, [execution(experiment, "u1")])
    session = Session(engine)
    stop(session, "wording", why="enough")
    end = scalar(engine, "SELECT actual_end_date FROM ab_test_experiments")
    moments = [end - timedelta(microseconds=1), end, end + timedelta(hours=1)]
    insert(engine, [execution(experiment, "u1", executed_at=moment.isoformat()) for moment in moments])
    found = look(engine)
    assert sum(found.evidence.rows.values()) == 2
    assert found.evidence.excluded == {"out_of_time": 2}
    assert found.verdict.name == "stopped"
