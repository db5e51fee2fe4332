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
    """Units with the canary, and of them with a failure; those of the control; `p_value` holds at any look."""

    units: int
    failing: int
    other_units: int
    other_failing: int
    p_value: float

    @property
    def share(self) -> float:
        """Of all units, the canary's part."""
        return self.units / (self.units + self.other_units)

    @property
    def failing_share(self) -> float:
        """Of the units with a failure, the canary's part."""
        return self.failing / (self.failing + self.other_failing)

    @property
    def is_harmful(self) -> bool:
        return self.failing_share > self.share and self.p_value <= LEVEL

    @property
    def why(self) -> str:
        """The numbers, for people."""
        return (
            f"{self.failing} of {self.units} units failed with the canary, and {self.other_failing} of "
            f"{self.other_units} without: {self.share:.0%} of the units have {self.failing_share:.0%} of the failing "
            f"ones, p {self.p_value:.2g}"
        )


def judge_canary(evidence: Evidence) -> Canary | None:
    """Compares shares, not rates: the control's rate need not be known first. None without units or failures.

    The test is that of the sample ratio (Lindon and Malek), so that it may be asked at every look.
    """
    units, others = evidence.units.get(CANARY, 0), evidence.units.get(CONTROL, 0)
    failing, failing_others = evidence.failing.get(CANARY, 0), evidence.failing.get(CONTROL, 0)
    if not units or not others or not failing + failing_others:
        return None
    p_value = sample_ratio.p_value([failing_others, failing], [others, units], CONCENTRATION)
    return Canary(units, failing, others, failing_others, p_value)
