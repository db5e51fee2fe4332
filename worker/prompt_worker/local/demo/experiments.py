"""Two experiments of the demonstration: the arms of one differ as planted, those of the other do not."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from psycopg2.extensions import cursor
from sqlalchemy import Engine

from prompt_worker.event.execution import ExecutionEvent, Status
from prompt_worker.experiments.changing import start, stop
from prompt_worker.experiments.creating import NewExperiment, create
from prompt_worker.experiments.judging.evidence import CONTROL
from prompt_worker.experiments.judging.look import Look
from prompt_worker.experiments.looking import look_at
from prompt_worker.experiments.stored import RUNNING, experiments
from prompt_worker.local.demo import owner
from prompt_worker.local.demo.requests import CLARIFICATION, SCRIPT
from prompt_worker.platform.postgres.session import Session

VARIANT = "variant_a"
# A verdict takes a week at least.
DAYS = 8
# A demonstration of 5,000 events has some 390 of the 400 students in the one, and 360 in the other.
PLANNED_UNITS = 300
ENVIRONMENT = "dev"
# Percent: an interval within it is no difference.
_TARGET = 10.0
# While another evaluator looks.
_WAIT_SECONDS, _WAITS = 0.2, 50
_BEGAN = "UPDATE ab_test_experiments SET actual_start_date = %(at)s WHERE id = %(id)s"
_AUDIT = "SELECT sum(executions), sum(wrong) FROM v_ab_test_audit WHERE experiment_id = %(id)s"


class Planted(NamedTuple):
    """What is changed of the prompt, and which part of each arm's calls succeeds."""

    name: str
    template_name: str
    change: tuple[str, str]
    rates: Mapping[str, float]
    expected: str


PLANTED = (
    Planted(
        "fewer questions",
        CLARIFICATION,
        ("Write two or three short", "Write two short"),
        {CONTROL: 0.75, VARIANT: 0.92},
        "winner",
    ),
    Planted(
        "easy pace",
        SCRIPT,
        ("at a calm pace", "at an easy pace"),
        {CONTROL: 0.92, VARIANT: 0.92},
        "no_difference",
    ),
)


class Begun(NamedTuple):
    """`name`: of the experiment, as the database has it."""

    planted: Planted
    id: UUID
    name: str


class Concluded(NamedTuple):
    """The last look, and how many executions with a unit there were; `wrong` of them not served as assigned."""

    begun: Begun
    look: Look
    executions: int
    wrong: int

    @property
    def has_enough(self) -> bool:
        return self.look.evidence.all_units >= PLANNED_UNITS

    @property
    def is_as_planted(self) -> bool:
        """Also where there are too few units for any verdict."""
        found = self.look.verdict.name
        return found == self.begun.planted.expected or (found == "collecting" and not self.has_enough)


def begin(engine: Engine) -> list[Begun]:
    """Saves the variants, and starts both. Raises `ExperimentError` where another is on one of the prompts."""
    session = Session(engine)
    variants = owner.save_changed(session, {each.template_name: each.change for each in PLANTED})
    return [_begin(session, planted, variant) for planted, variant in zip(PLANTED, variants, strict=True)]


def _begin(session: Session, planted: Planted, variant: int) -> Begun:
    earlier = [each for each in session.run(experiments) if each.template_name == planted.template_name]
    for each in earlier:
        if each.status in RUNNING and each.name.startswith(planted.name):
            stop(session, each.name, why="the demonstration begins again")
    name = f"{planted.name} {len(earlier) + 1}" if earlier else planted.name
    control = owner.production(session, planted.template_name).version
    new = NewExperiment(
        name=name,
        template_name=planted.template_name,
        arms={CONTROL: control, VARIANT: variant},
        weights={CONTROL: 50, VARIANT: 50},
        primary_metric="success_rate",
        planned_units=PLANNED_UNITS,
        environment=ENVIRONMENT,
        target_improvement_percentage=_TARGET,
        description="of the demonstration",
    )
    # Nothing was executed yet.
    create(session, new, by=owner.NAME, force=True)
    started = start(session, name, by=owner.NAME)

    def backdate(cursor: cursor) -> None:
        cursor.execute(_BEGAN, {"at": datetime.now(UTC) - timedelta(days=DAYS), "id": str(started.id)})

    session.run(backdate)
    return Begun(planted, started.id, name)


class Outcomes:
    """What becomes of the calls of each arm, exactly as planted, and when each is said to have been."""

    def __init__(self, planted: Sequence[Planted] = PLANTED) -> None:
        self._rates = {each.template_name: each.rates for each in planted}
        self._calls: Counter[tuple[str, str]] = Counter()

    def of(self, event: ExecutionEvent, part: float) -> Status | None:
        """None of a call in no arm. `part`, from 0 to 1: where in the days of the experiments it is to be."""
        rate = self._rates.get(event.template_name, {}).get(event.ab_test_group or "")
        if rate is None:
            return None
        event.executed_at -= timedelta(days=DAYS) * part
        key = event.template_name, event.ab_test_group or ""
        self._calls[key] += 1
        calls = self._calls[key]
        return "success" if int(calls * rate) > int((calls - 1) * rate) else "failure"


def conclude(engine: Engine, begun: Sequence[Begun]) -> list[Concluded]:
    """A look at each."""
    session = Session(engine)
    return [_conclude(session, each) for each in begun]


def _conclude(session: Session, begun: Begun) -> Concluded:
    look = look_at(session, begun.name).look
    for _ in range(_WAITS):
        if look is not None:
            break
        time.sleep(_WAIT_SECONDS)
        look = look_at(session, begun.name).look
    assert look is not None  # noqa: S101

    def audit(cursor: cursor) -> tuple[int, int]:
        cursor.execute(_AUDIT, {"id": str(begun.id)})
        ((executions, wrong),) = cursor.fetchall()
        return int(executions), int(wrong)

    return Concluded(begun, look, *session.run(audit))
