"""The metrics that arms are compared by; each knows which direction is good."""

from __future__ import annotations

from typing import Literal

import msgspec

from prompt_worker.experiments.errors import ExperimentError

# Of what is summed over a unit and divided by what; a quantile is of calls.
Kind = Literal["ratio", "quantile"]

FEEDBACK = "feedback:"
# After the name of feedback of which less is better.
LOWER = ":lower"
QUANTILE = 0.95


class Metric(msgspec.Struct, frozen=True):
    """`good` is 1 where more is better, and −1 where less is. `in_percent`: a share of calls.

    `feedback`: the name of the feedback that it is the mean of, over requests.
    """

    name: str
    good: int
    kind: Kind = "ratio"
    in_percent: bool = False
    feedback: str | None = None

    def improves(self, difference: float) -> bool:
        return difference * self.good > 0


_KNOWN = {
    metric.name: metric
    for metric in (
        Metric("success_rate", 1, in_percent=True),
        Metric("failure_rate", -1, in_percent=True),
        Metric("blocked_rate", -1, in_percent=True),
        Metric("violation_rate", -1, in_percent=True),
        Metric("execution_time_ms", -1),
        Metric("execution_time_p95", -1, kind="quantile"),
        Metric("token_count", -1),
        Metric("cost_usd", -1),
        Metric("cost_per_success", -1),
    )
}
NAMES = tuple(_KNOWN)


def find_metric(name: str) -> Metric:
    """Raises `ExperimentError` for one that is not known."""
    feedback = name.removeprefix(FEEDBACK)
    if feedback != name and feedback not in ("", LOWER):
        good = -1 if feedback.endswith(LOWER) else 1
        return Metric(name, good, feedback=feedback.removesuffix(LOWER))
    try:
        return _KNOWN[name]
    except KeyError:
        raise ExperimentError(
            f"no metric is named {name[:100]}: give one of {', '.join(NAMES)}, or {FEEDBACK}NAME "
            f"({FEEDBACK}NAME{LOWER} where less is better)"
        ) from None
