"""One arm against the control by one metric."""

from __future__ import annotations

import msgspec

from prompt_worker.experiments.judging.evidence import (
    CONTROL,
    Evidence,
    History,
    Measured,
    Plan,
    PlannedLook,
)
from prompt_worker.experiments.judging.metrics import find_metric
from prompt_worker.experiments.statistics import sequence, split
from prompt_worker.experiments.statistics.difference import (
    Difference,
    absolute,
    between,
    relative,
    relatively_between,
)

# Units that an arm's weights amount to: with fewer the few largest decide, and no sum of units is normal.
LEAST_EFFECTIVE = 20


class Comparison(msgspec.Struct, kw_only=True):
    """The numbers of a look. What is None has too few units, or no spread to judge by.

    `interval` is of the `difference`, in the metric's own unit, and `relative` of it as a part of the control's value.
    `early` is the p-value of the confidence sequence, `planned` that of the one look at the planned size; `p_value` is
    of both, and `adjusted` for all variants.
    """

    metric: str
    arm: str
    units: int
    control: float | None
    value: float | None
    difference: float | None = None
    interval: tuple[float, float] | None = None
    relative_difference: float | None = None
    relative: tuple[float, float] | None = None
    z: float | None = None
    early: float | None = None
    planned: float | None = None
    p_value: float | None = None
    adjusted: float | None = None

    @property
    def key(self) -> str:
        return key_of(self.metric, self.arm)

    @property
    def improves(self) -> bool:
        return self.difference is not None and find_metric(self.metric).improves(self.difference)

    @property
    def worsens(self) -> bool:
        return self.difference is not None and find_metric(self.metric).improves(-self.difference)


def key_of(metric: str, arm: str) -> str:
    """Under which the planned look of a comparison is kept."""
    return f"{metric} {arm}"


def compare(plan: Plan, evidence: Evidence, history: History, metric: str, arm: str) -> Comparison:
    """An arm and the control as they are now, beside what the planned look found, if that is done."""
    before, after = _sides(evidence, metric, arm)
    units = evidence.units.get(CONTROL, 0) + evidence.units.get(arm, 0)
    found = Comparison(metric=metric, arm=arm, units=units, control=_value(before), value=_value(after))
    difference, part = _differences(before, after)
    if difference is None:
        return found
    # What began again with other weights has half as much left to spend on early looks, each time.
    level = split.early_level(plan.alpha) / 2**evidence.restarts
    a = sequence.tightness(units, plan.planned_units / 2, level)
    deviations = sequence.deviations(a, level)
    once = (history.planned or {}).get(found.key)
    found.difference, found.z = difference.estimate, difference.z
    found.interval = _both(difference.around(deviations), once.interval if once else None)
    if part is not None:
        found.relative_difference = part.estimate
        found.relative = _both(part.around(deviations), once.relative if once else None)
    found.early = min(1.0, sequence.p_value(difference, a) * 2**evidence.restarts)
    found.planned = once.p_value if once else None
    found.p_value = split.combined(found.early, found.planned)
    return found


def look_once(plan: Plan, evidence: Evidence, metric: str, arm: str) -> PlannedLook | None:
    """The one look at the planned size. None: still too few units, or no spread."""
    difference, part = _differences(*_sides(evidence, metric, arm))
    if difference is None:
        return None
    level = split.planned_level(plan.alpha)
    return PlannedLook(difference.p_value, difference.interval(level), part.interval(level) if part else None)


def _sides(evidence: Evidence, metric: str, arm: str) -> tuple[Measured | None, Measured | None]:
    measured = evidence.measured.get(metric, {})
    return measured.get(CONTROL), measured.get(arm)


def _value(measured: Measured | None) -> float | None:
    if measured is None:
        return None
    return measured.moments.ratio if measured.value is None else measured.value


def _is_uneven(measured: Measured) -> bool:
    return measured.moments.effective_units < LEAST_EFFECTIVE


def _differences(
    before: Measured | None, after: Measured | None
) -> tuple[Difference | None, Difference | None]:
    """In the metric's own unit, and as a part of the control's value."""
    if before is None or after is None or _is_uneven(before) or _is_uneven(after):
        return None, None
    if before.value is None or after.value is None:
        return absolute(before.moments, after.moments), relative(before.moments, after.moments)
    if before.variance is None or after.variance is None:
        return None, None
    first, second = (before.value, before.variance), (after.value, after.variance)
    return between(first, second), relatively_between(first, second)


def _both(early: tuple[float, float], planned: tuple[float, float] | None) -> tuple[float, float]:
    """Where both intervals are; the planned one where that is nowhere, as the rows have changed since."""
    if planned is None:
        return early
    low, high = max(early[0], planned[0]), min(early[1], planned[1])
    return (low, high) if low <= high else planned
