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
# Whatever is asked for, no more are remembered.
_LANGUAGES = 100
# Bits, of an id that is a number.
_LONGEST_NUMBER = 128


class Enrolling:
    """`environment`: the only one where it runs, None: in all."""

    __slots__ = ("_arm_of", "_by_session", "_choices", "environment")

    def __init__(self, running: Running, production: CompiledVersion, live: Snapshot) -> None:
        experiment = running.experiment
        self.environment = experiment.environment
        self._by_session = experiment.unit_kind == "session"
        self._arm_of = running.assignment.arm_of
        served: list[tuple[str | None, CompiledVersion, str]] = [(None, production, "production")]
        served += [(arm, version, _REASONS[experiment.kind]) for arm, version in running.arms.items()]
        # Of each arm, and of none.
        self._choices = {
            arm: _Choice(
                version,
                reason,
                Enrolment(experiment.experiment_id, experiment.phase, experiment.unit_kind, arm),
                live,
            )
            for arm, version, reason in served
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
        choice = self._choices[arm]
        return choice.own if language is None else choice.prompt(language)


class _Choice:
    """What one arm serves."""

    __slots__ = ("_enrolment", "_live", "_made", "_reason", "_version", "own")

    def __init__(self, version: CompiledVersion, reason: str, enrolment: Enrolment, live: Snapshot) -> None:
        self._version, self._reason, self._enrolment, self._live = version, reason, enrolment, live
        self.own = live.prompt(version, None, reason, enrolment)
        # By the language that was asked for.
        self._made: dict[str, Prompt] = {}

    def prompt(self, language: str) -> Prompt:
        made = self._made.get(language)
        if made is None:
            made = self._live.prompt(self._version, language, self._reason, self._enrolment)
            if len(self._made) < _LANGUAGES:
                self._made[language] = made
        return made


def as_unit(given: Any) -> str:
    """Of a whole number or a UUID its text; of anything else, which may have another text each time, none."""
    if isinstance(given, str):
        return str.__str__(given)
    if isinstance(given, bool) or (isinstance(given, int) and given.bit_length() > _LONGEST_NUMBER):
        return ""
    return str(given) if isinstance(given, int | UUID) else ""
