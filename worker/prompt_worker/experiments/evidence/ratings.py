"""Feedback as a metric: the parts of the statement that reads it, and whether there is any to read.

A request is one observation, however many executions and sources it has: of each source its last value, of all sources
the mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from psycopg2.extensions import cursor

from prompt_worker.experiments.errors import ExperimentError
from prompt_worker.experiments.judging.metrics import find_metric
from prompt_worker.platform.postgres.statements import statement

# N and S of a metric: requests that have feedback, and its sum. The number is the metric's among those of feedback.
RATED, RATING = "rated_{}", "rating_{}"

_FEEDBACK = statement(__name__, "feedback")
_RECORDED = statement(__name__, "recorded_feedback")
_SUM = (
    ", count(*) FILTER (WHERE q.name = %(feedback_{0})s) AS rated_{0}"
    ", sum(q.value) FILTER (WHERE q.name = %(feedback_{0})s) AS rating_{0}"
)
_OF_A_UNIT = ", coalesce(d.rated_{0}, 0) AS rated_{0}, coalesce(d.rating_{0}, 0) AS rating_{0}"
_JOIN = " LEFT JOIN ratings d ON d.unit = j.unit"


class Ratings:
    """The metrics of `metrics` that are feedback, in their order, as parts of `evidence.sql`."""

    def __init__(self, metrics: Iterable[str]) -> None:
        found = [find_metric(metric) for metric in metrics]
        self.names = [metric.feedback for metric in found if metric.feedback is not None]
        self.metrics = [metric.name for metric in found if metric.feedback is not None]

    def sums_of(self, metric: str) -> tuple[str, str]:
        """The columns that are N and S of one of `metrics`."""
        number = self.metrics.index(metric)
        return RATED.format(number), RATING.format(number)

    def parts(self) -> dict[str, str]:
        """By their names in the statement: nothing where there are none."""
        if not self.names:
            return dict.fromkeys(("feedback", "rated", "with_ratings"), "")
        numbers = range(len(self.names))
        return {
            "feedback": _FEEDBACK.format(sums="".join(map(_SUM.format, numbers))),
            "rated": "".join(map(_OF_A_UNIT.format, numbers)),
            "with_ratings": _JOIN,
        }

    def parameters(self) -> dict[str, Any]:
        return {
            "feedback": self.names,
            **{f"feedback_{number}": name for number, name in enumerate(self.names)},
        }


def check_recorded(cursor: cursor, metrics: Sequence[str], otherwise: str) -> None:
    """Raises `ExperimentError` for feedback of a name that nobody ever gave; `otherwise` says what to do about it."""
    for name in Ratings(metrics).names:
        cursor.execute(_RECORDED, {"name": name})
        ((is_recorded, names),) = cursor.fetchall()
        if not is_recorded:
            there = f"recorded are {', '.join(names)}" if names else "none is recorded at all"
            raise ExperimentError(f"no feedback was ever named {name}, {there}. {otherwise}")
