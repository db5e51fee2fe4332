"""An experiment or a rollout in place of a prompt's production: which arm a unit is served, and what is said of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from prompt_worker.prompts.prompt import Enrolment, Prompt
from prompt_worker.prompts.serving.gauges import ENROLLED
from prompt_worker.prompts.snapshot.experiments import Running
from prompt_worker.prompts.snapshot.snapshot import Snapshot
from prompt_worker.prompts.version import CompiledVersion

_REASONS = {"test": "experiment", "rollout": "rollout"}
# Bits, of an id that is a number.
_LONGEST_NUMBER = 128


class Enrolling:
    """`environment`: the only one where it runs, None: in all."""

    __slots__ = ("_arm_of", "_by_session", "_choices", "_live", "_own", "environment")

    def __init__(self, running: Running, production: CompiledVersion, live: Snapshot) -> None:
        experiment = running.experiment
        self.environment = experiment.environment
        self._by_session = experiment.unit_kind == "session"
        self._arm_of = running.assignment.arm_of
        self._live = live
        served: list[tuple[str | None, CompiledVersion, str]] = [(None, production, "production")]
        served += [(arm, version, _REASONS[experiment.kind]) for arm, version in running.arms.items()]
        # Of each arm, and of none.
        self._choices = {
            arm: (
                version,
                reason,
                Enrolment(experiment.experiment_id, experiment.phase, experiment.unit_kind, arm),
            )
            for arm, version, reason in served
        }
        self._own = {
            arm: live.prompt(version, None, reason, enrolment)
            for arm, (version, reason, enrolment) in self._choices.items()
        }

    def prompt(self, unit: Any, session_id: Any, language: str | None) -> Prompt:
        """Who has no unit is in no arm, and is not drawn into one."""
        given = session_id if self._by_session else unit
        if type(given) is not str:
            given = as_unit(given)
        if given:
            _, arm = self._arm_of(given)
            ENROLLED["outside" if arm is None else "arm"] += 1
        else:
            arm = None
            ENROLLED["no_unit"] += 1
        if language is None:
            return self._own[arm]
        version, reason, enrolment = self._choices[arm]
        return self._live.prompt(version, language, reason, enrolment)


def as_unit(given: Any) -> str:
    """Of a whole number or a UUID its text; of anything else, which may have another text each time, none."""
    if isinstance(given, str):
        return str.__str__(given)
    if isinstance(given, bool) or (isinstance(given, int) and given.bit_length() > _LONGEST_NUMBER):
        return ""
    return str(given) if isinstance(given, int | UUID) else ""
