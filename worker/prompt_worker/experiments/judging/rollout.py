"""A guarded rollout: whether the canary fails more than its share."""

from __future__ import annotations

import msgspec

from prompt_worker.experiments.judging.evidence import CONTROL, Evidence
from prompt_worker.experiments.statistics import sample_ratio

CANARY = "canary"
LEVEL = 0.01
# Of the prior around the share: small, so that a version that fails often is found after two dozen of its units.
CONCENTRATION = 10.0


class Canary(msgspec.Struct, frozen=True):
    """The canary has `share` of all units, and `failing_share` of those with a failure; `p_value` holds at any look."""

    units: int
    failing: int
    share: float
    failing_share: float
    p_value: float

    @property
    def is_harmful(self) -> bool:
        return self.failing_share > self.share and self.p_value <= LEVEL


def judge_canary(evidence: Evidence) -> Canary | None:
    """Compares shares, not rates: the control's rate need not be known first. None without units or failures.

    The test is that of the sample ratio (Lindon and Malek), so that it may be asked at every look.
    """
    units, others = evidence.units.get(CANARY, 0), evidence.units.get(CONTROL, 0)
    failing, failing_others = evidence.failing.get(CANARY, 0), evidence.failing.get(CONTROL, 0)
    if not units or not others or not failing + failing_others:
        return None
    p_value = sample_ratio.p_value([failing_others, failing], [others, units], CONCENTRATION)
    return Canary(units, failing, units / (units + others), failing / (failing + failing_others), p_value)
