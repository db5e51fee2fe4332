"""The gate on reality: a version rendered over what its prompt was really given, before it is activated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median
from uuid import UUID

import msgspec

from prompt_worker.prompts.authoring.checks.child import Input, Job, Key, Step
from prompt_worker.prompts.authoring.checks.confined import confined
from prompt_worker.prompts.authoring.releases.gate.difference import text_difference
from prompt_worker.prompts.authoring.releases.gate.inputs import Executed
from prompt_worker.prompts.authoring.releases.saved_cases import Case
from prompt_worker.prompts.version import Stored

# Of differences and failures that a report holds; the others are counted.
_EXAMPLES = 5
# English text has about as many characters for each token of a model.
_CHARACTERS_PER_TOKEN = 4


class Failed(msgspec.Struct, frozen=True):
    """Why renderings failed, alike: how many, and one of the executions."""

    message: str
    number: int
    example: UUID


class FailedCase(msgspec.Struct, frozen=True):
    """A saved input that the version cannot be rendered with, by its number, and what was noted of it."""

    id: int
    note: str | None
    message: str


class Differing(msgspec.Struct, frozen=True):
    """One execution whose text would be another: the lines of a unified diff of what was sent and what would be."""

    execution: UUID
    version: int
    lines: list[str]


class Spread(msgspec.Struct, frozen=True):
    """How much longer the texts would be, in characters; negative: shorter."""

    least: int
    median: int
    most: int

    @property
    def tokens(self) -> int:
        """An estimate for the one in the middle."""
        return round(self.median / _CHARACTERS_PER_TOKEN)


class Noticed(msgspec.Struct, frozen=True):
    """In how many texts a guardrail finds something: in those that were sent, and in those that would be."""

    guardrail: str
    action: str
    before: int
    after: int


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one content, by its hash and those of all that it includes.

    `shown`: whether it is of what users wrote, and not of its shape alone. `unchecked`: why no guardrail was asked.
    `cases`: how many saved inputs it was rendered with.
    """

    name: str
    version: int
    sha256: str
    included: Mapping[str, str]
    executions: int
    failed: list[Failed]
    identical: int
    differing: list[Differing]
    spread: Spread | None
    noticed: list[Noticed]
    shown: bool
    unchecked: str | None = None
    cases: int = 0
    failed_cases: list[FailedCase] = []

    @property
    def failures(self) -> int:
        return sum(each.number for each in self.failed)

    @property
    def passed(self) -> bool:
        return not self.failed and not self.failed_cases


class Texts(msgspec.Struct, frozen=True):
    """Of one execution: what was sent and what would be."""

    execution: Executed
    before: str
    after: str


def renderings(
    candidate: Stored, versions: Iterable[Stored], executed: Sequence[Executed | Case]
) -> list[Step]:
    """What rendering over each of them gives, in their order. `versions` has the candidate, and what it includes.

    Raises `ConfinedError`.
    """
    inputs = [Input(each.variables, each.language) for each in executed]
    key = Key(candidate.name, candidate.version)
    return list(confined(Job(list(versions), [key], inputs))) if inputs else []


def failures(executed: Sequence[Executed], steps: Sequence[Step]) -> list[Failed]:
    """Grouped by what failed, the most frequent first."""
    numbers: Counter[str] = Counter()
    examples: dict[str, UUID] = {}
    for each, step in zip(executed, steps, strict=True):
        if step.message is not None:
            numbers[step.message] += 1
            examples.setdefault(step.message, each.id)
    return [Failed(message, number, examples[message]) for message, number in numbers.most_common()]


def failed_cases(cases: Sequence[Case], steps: Sequence[Step]) -> list[FailedCase]:
    """In the order in which they were saved."""
    return [
        FailedCase(each.id, each.note, step.message)
        for each, step in zip(cases, steps, strict=True)
        if step.message is not None
    ]


def texts(executed: Sequence[Executed], steps: Sequence[Step]) -> Iterator[Texts]:
    """Of those that were rendered and whose text is known."""
    for each, step in zip(executed, steps, strict=True):
        if step.text is not None:
            yield Texts(each, each.rendered, step.text)


def spread(executed: Sequence[Executed], steps: Sequence[Step]) -> Spread | None:
    """None where nothing was rendered."""
    changes = sorted(
        step.length - len(each.rendered)
        for each, step in zip(executed, steps, strict=True)
        if step.message is None
    )
    return Spread(changes[0], round(median(changes)), changes[-1]) if changes else None


def differing(rendered: Iterable[Texts]) -> list[Differing]:
    """The first few whose text would be another."""
    found: list[Differing] = []
    for each in rendered:
        if len(found) == _EXAMPLES:
            break
        if each.before != each.after:
            lines = list(text_difference(each.before, each.after))
            found.append(Differing(each.execution.id, each.execution.version, lines))
    return found
