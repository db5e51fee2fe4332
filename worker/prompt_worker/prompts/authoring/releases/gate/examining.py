"""All that is looked at before a version is activated: what it breaks, and the gate on reality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.session import Session
from prompt_worker.prompts.authoring.acting import APPROVER, reading
from prompt_worker.prompts.authoring.checks.checking import Checked, check_versions
from prompt_worker.prompts.authoring.releases.gate import gate
from prompt_worker.prompts.authoring.releases.gate.gate import Gate
from prompt_worker.prompts.authoring.releases.gate.inputs import Executed, Inputs, read_inputs
from prompt_worker.prompts.authoring.releases.gate.noticing import Guards, find_guards
from prompt_worker.prompts.authoring.releases.reviewing import read_candidate
from prompt_worker.prompts.authoring.releases.saved_cases import Case, read_cases
from prompt_worker.prompts.authoring.stored import Version
from prompt_worker.prompts.version import Stored

_MASKED = "this login sees the shape of what users wrote, not the texts: prompt_text_reader sees them"
# Executions of each prompt that are rendered again.
INPUTS = 50
# Prompts that include the version and are rendered too; the others are only compiled.
_GATES = 20


class Examined(msgspec.Struct, frozen=True):
    """`checked`: the version, and every prompt in production that includes it. `gates`: of those that can be served."""

    version: Version
    checked: list[Checked]
    gates: list[Gate]

    @property
    def faults(self) -> list[Checked]:
        return [each for each in self.checked if each.error is not None]

    @property
    def failures(self) -> int:
        return sum(each.failures for each in self.gates)

    @property
    def failed_cases(self) -> int:
        return sum(len(each.failed_cases) for each in self.gates)

    @property
    def passed(self) -> bool:
        return not self.faults and all(each.passed for each in self.gates)

    @property
    def included(self) -> Mapping[str, str]:
        """What the version itself includes, with the hashes that it was checked with."""
        return self.checked[0].included


def examine(session: Session, name: str, version: int, *, inputs: int = INPUTS) -> Examined:
    """Compiles the version and all that includes it; renders them over saved cases and the last `inputs` executions.

    0 inputs: it is only compiled.
    Changes nothing. Raises `UnknownPromptError`, `VersionGoneError`, `UnreadableError`, `ConfinedError`,
    `NotAllowedError`, `DeploymentError`.
    """
    found, others = reading(session, partial(read_candidate, name, version))
    candidate = found.as_stored(is_active=True)
    checked = check_versions([candidate], others)
    if not inputs:
        return Examined(found, checked, [])
    examination = _Examination(
        others=others, overlaid=_overlaid(candidate, others), guards=reading(session, find_guards)
    )
    gates = []
    for each in [each for each in checked if each.error is None][: _GATES + 1]:
        given = reading(session, partial(read_inputs, each.name, inputs), role=APPROVER)
        cases = reading(session, partial(_cases, each.name), role=APPROVER)
        category = found.category if each.because is None else None
        gates.append(examination.gate(each, given, cases, category))
    return Examined(found, checked, gates)


def _overlaid(candidate: Stored, others: Sequence[Stored]) -> list[Stored]:
    """All of them with the candidate in production."""
    kept = [each for each in others if (each.name, each.version) != (candidate.name, candidate.version)]
    return [
        *(
            msgspec.structs.replace(each, is_active=False) if each.name == candidate.name else each
            for each in kept
        ),
        candidate,
    ]


def _cases(name: str, cursor: cursor) -> list[Case]:
    return read_cases(cursor, name)


class _Examination(msgspec.Struct, kw_only=True):
    """`others`: what is compiled with the version now; `overlaid`: what would be."""

    others: Sequence[Stored]
    overlaid: Sequence[Stored]
    guards: Guards

    def gate(self, checked: Checked, inputs: Inputs, cases: list[Case], category: str | None) -> Gate:
        target = next(
            each for each in self.overlaid if (each.name, each.version) == (checked.name, checked.version)
        )
        executed = inputs.executed if inputs.shown else self._as_now(target, inputs.executed)
        all_steps = gate.renderings(target, self.overlaid, [*executed, *cases])
        steps, of_cases = all_steps[: len(executed)], all_steps[len(executed) :]
        rendered = list(gate.texts(executed, steps))
        noticed, unchecked = self.guards.notice(target, category, rendered) if inputs.shown else ([], _MASKED)
        return Gate(
            name=target.name,
            version=target.version,
            sha256=target.sha256,
            included=checked.included,
            executions=len(executed),
            failed=gate.failures(executed, steps),
            identical=sum(each.before == each.after for each in rendered),
            differing=gate.differing(rendered),
            spread=gate.spread(executed, steps),
            noticed=noticed,
            shown=inputs.shown,
            unchecked=unchecked,
            cases=len(cases),
            failed_cases=gate.failed_cases(cases, of_cases),
        )

    def _as_now(self, target: Stored, executed: list[Executed]) -> list[Executed]:
        """With what is made of the same masked values now, where it can be, in place of the text that was sent."""
        now = next((each for each in self.others if each.name == target.name and each.is_active), None)
        if now is None:
            return executed
        return [
            each if step.text is None else msgspec.structs.replace(each, rendered=step.text)
            for each, step in zip(executed, gate.renderings(now, self.others, executed), strict=True)
        ]
