"""What a registry's document says of an experiment or a rollout that runs: who gets which arm, and its version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Literal, NamedTuple
from uuid import UUID

import msgspec
from msgspec import Meta, Raw, Struct

from prompt_worker.event.execution import COUNT_LIMIT
from prompt_worker.prompts.assignment import Range, check_ranges
from prompt_worker.prompts.errors import short

UnitKind = Literal["user", "session"]
# As an event and a column can hold it.
Arm = Annotated[str, Meta(min_length=1, max_length=50)]


class Experiment(Struct, frozen=True, kw_only=True):
    """One that runs, in its present phase. `arms`: the template of each.

    `environment`: the only one where it runs, if it names one.
    """

    name: str
    experiment_id: UUID
    template_name: Annotated[str, Meta(min_length=1)]
    kind: Literal["test", "rollout"]
    unit_kind: UnitKind
    environment: str | None = None
    phase: Annotated[int, Meta(ge=1, le=COUNT_LIMIT)]
    seed: str
    ranges: list[Range]
    arms: dict[Arm, UUID]

    def __post_init__(self) -> None:
        check_ranges(self.ranges)
        missing = sorted({each.arm for each in self.ranges} - self.arms.keys())
        if missing:
            raise ValueError(f"{short(missing[0])} has units and is no arm")


class Experiments(NamedTuple):
    """By the name of their prompt; `refused`: those that cannot be run, each with the reason."""

    by_name: Mapping[str, Experiment] = MappingProxyType({})
    refused: Mapping[str, str] = MappingProxyType({})


def read_experiments(parts: Iterable[Raw]) -> Experiments:
    """Each for itself: one that cannot be read spoils no other, and two on one prompt would share its units."""
    found: dict[str, list[Experiment]] = {}
    refused: dict[str, str] = {}
    for number, part in enumerate(parts, 1):
        try:
            read = msgspec.json.decode(part, type=Experiment)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            why = str(error) if isinstance(error, msgspec.ValidationError) else "it is not JSON"
            refused[_label(part, number)] = f"it cannot be read: {why}"
        else:
            found.setdefault(read.template_name, []).append(read)
    for several in found.values():
        for each in several if len(several) > 1 else ():
            refused[label(each)] = "another experiment is on this prompt, too"
    return Experiments({name: each[0] for name, each in found.items() if len(each) == 1}, refused)


def label(experiment: Experiment) -> str:
    """How it is named where something is wrong with it."""
    return f"{experiment.template_name} experiment {experiment.name}"


class _Head(Struct):
    name: str
    template_name: str


def _label(part: Raw, number: int) -> str:
    """Of one that cannot be read."""
    try:
        head = msgspec.json.decode(part, type=_Head)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return f"experiment {number}"
    return f"{head.template_name} experiment {head.name}"
