"""The steps of a rollout: which part of the units the canary gets, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from prompt_worker.experiments.errors import ExperimentError

USUAL = (10.0, 50.0, 100.0)
WHOLE = 100.0
_LEAST = 0.01


class TermsError(ExperimentError):
    """Of a rollout that cannot be: what was asked for does not fit together."""

    exit_code = 64


def as_json(percent: float) -> int | float:
    """10 and not 10.0."""
    return int(percent) if percent.is_integer() else percent


def steps_from(first: float | None, steps: Sequence[float] | None) -> list[float]:
    """Percentages that grow to 100. `first`: with which it begins; without `steps` the usual ones follow it.

    Raises `TermsError`.
    """
    if steps is None:
        start = USUAL[0] if first is None else first
        steps = [start, *(step for step in USUAL if step > start)]
    elif first is not None and list(steps[:1]) != [first]:
        raise TermsError(f"the steps begin with {steps[0]:g} %, and --canary says {first:g} %: give one")
    if not steps or not steps[0] >= _LEAST:
        raise TermsError("a canary gets 0.01 % of the units or more, such as 10")
    if any(not before < after for before, after in pairwise(steps)):
        raise TermsError("each step is larger than the one before, such as 10,50,100")
    if not steps[-1] <= WHOLE:
        raise TermsError("a step is a percentage of all units: at most 100")
    # Units are in 10,000 buckets: 99.999 % were all of them, with nobody left to compare with.
    if any(round(step, 2) != step for step in steps):
        raise TermsError("a step has two decimals at most, such as 0.25")
    if steps[0] == WHOLE:
        raise TermsError("100 % is no canary: activate it without --canary")
    return [*steps] if steps[-1] == WHOLE else [*steps, WHOLE]
