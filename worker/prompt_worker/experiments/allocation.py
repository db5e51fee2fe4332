"""The ranges of a phase: from the shares of its arms, and grown so that each arm keeps its members."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from prompt_worker.experiments.errors import ExperimentError
from prompt_worker.experiments.judging.evidence import CONTROL
from prompt_worker.prompts.assignment import BUCKETS, Range

Value = TypeVar("Value")

# Of a percentage: one hundredth of it is a bucket.
_BUCKETS_OF_A_PERCENT = BUCKETS / 100


def buckets_of(shares: Mapping[str, float]) -> dict[str, int]:
    """Buckets of each arm, the control first, for shares in percent. Raises `ExperimentError`."""
    if CONTROL not in shares or len(shares) < 2:
        raise ExperimentError(f"an experiment needs the arm {CONTROL} and another one")
    if not all(math.isfinite(share) for share in shares.values()):
        raise ExperimentError("a weight is a percentage, such as 50")
    found = {arm: round(share * _BUCKETS_OF_A_PERCENT) for arm, share in shares.items()}
    for arm, buckets in found.items():
        if not buckets > 0:
            raise ExperimentError(f"the weight of {arm} is {shares[arm]:g}: it must be 0.01 or more")
    if sum(found.values()) > BUCKETS:
        raise ExperimentError(f"the weights add up to {sum(shares.values()):g}: at most 100")
    return {arm: found[arm] for arm in sorted(found, key=lambda arm: (arm != CONTROL, arm))}


def by_arm(given: Iterable[tuple[str, Value]]) -> dict[str, Value]:
    """What each arm was given. Raises `ExperimentError` for one that was given twice."""
    found: dict[str, Value] = {}
    for arm, value in given:
        if arm in found:
            raise ExperimentError(f"{arm[:100]} is given twice")
        found[arm] = value
    return found


def ranges_of(shares: Mapping[str, float]) -> list[Range]:
    """One range after the other. Raises `ExperimentError`."""
    return grown([], shares)


def grown(before: Sequence[Range], shares: Mapping[str, float]) -> list[Range]:
    """Ranges that contain those of `before`, so that no unit changes its arm. Raises `ExperimentError`."""
    wanted = buckets_of(shares)
    for each in before:
        wanted[each.arm] = wanted.get(each.arm, 0) - (each.beyond - each.start)
    shrunk = [arm for arm, more in wanted.items() if more < 0]
    if shrunk:
        raise ExperimentError(f"{', '.join(sorted(shrunk))} would lose units: this needs a new seed")
    found = list(before)
    free = _free(before)
    for arm, more in wanted.items():
        left = more
        while left:
            start, beyond = free.pop(0)
            end = min(beyond, start + left)
            found.append(Range(start, end, arm))
            left -= end - start
            if end < beyond:
                free.insert(0, (end, beyond))
    return _joined(found)


def shares_of(ranges: Sequence[Range]) -> dict[str, float]:
    """Of the units in any arm, the part of each."""
    sizes = _sizes(ranges)
    whole = sum(sizes.values())
    return {arm: size / whole for arm, size in sizes.items()}


def can_grow(before: Sequence[Range], shares: Mapping[str, float]) -> bool:
    """Whether no arm becomes smaller, and none goes."""
    wanted = buckets_of(shares)
    return all(size <= wanted.get(arm, 0) for arm, size in _sizes(before).items())


def stepped(before: Sequence[Range], canary: str, share: float) -> list[Range]:
    """Of a rollout: the canary keeps its units and gets more, until `share` percent; the control has the rest."""
    own = [each for each in before if each.arm == canary]
    size = sum(each.beyond - each.start for each in own)
    missing = round(share * _BUCKETS_OF_A_PERCENT) - size
    if missing < 0:
        raise ExperimentError(f"{canary} has more than {share:g} % already")
    found = list(own)
    for start, beyond in _free(own):
        taken = min(missing, beyond - start)
        missing -= taken
        if taken:
            found.append(Range(start, start + taken, canary))
        if start + taken < beyond:
            found.append(Range(start + taken, beyond, CONTROL))
    return _joined(found)


def _sizes(ranges: Sequence[Range]) -> dict[str, int]:
    """Buckets of each arm, by name."""
    sizes: dict[str, int] = {}
    for each in sorted(ranges, key=lambda each: each.arm):
        sizes[each.arm] = sizes.get(each.arm, 0) + each.beyond - each.start
    return sizes


def _free(taken: Sequence[Range]) -> list[tuple[int, int]]:
    free, end = [], 0
    for each in sorted(taken, key=lambda each: each.start):
        if each.start > end:
            free.append((end, each.start))
        end = max(end, each.beyond)
    return [*free, (end, BUCKETS)] if end < BUCKETS else free


def _joined(ranges: Sequence[Range]) -> list[Range]:
    found: list[Range] = []
    for each in sorted(ranges, key=lambda each: each.start):
        if found and found[-1].arm == each.arm and found[-1].beyond == each.start:
            found[-1] = Range(found[-1].start, each.beyond, each.arm)
        else:
            found.append(each)
    return found
