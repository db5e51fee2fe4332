"""Whether the rows may be compared at all: the right templates, the right number of units, each in one arm."""

from __future__ import annotations

from prompt_worker.experiments.judging.evidence import Evidence, History, Plan
from prompt_worker.experiments.statistics import sample_ratio

# Of an arm's rows, that another template may have been served for.
MOST_MISLABELLED = 0.001
RATIO_LEVEL = 0.01
# Of all units, that may be in two arms; and how many it takes to say so.
MOST_IN_TWO_ARMS = 0.01
LEAST_IN_TWO_ARMS = 10


def mislabelled_arms(evidence: Evidence) -> list[str]:
    """Arms of which more than one row in a thousand was served with another template."""
    return [
        arm
        for arm, wrong in sorted(evidence.mislabelled.items())
        if wrong > MOST_MISLABELLED * (wrong + evidence.rows.get(arm, 0))
    ]


def ratio_p_value(plan: Plan, evidence: Evidence, history: History) -> float:
    """The smallest p-value of the sample ratio at any look until now, of all phases together (Bonferroni)."""
    p_values = [
        sample_ratio.p_value(
            [phase.units.get(arm, 0) for arm in plan.arms], [phase.shares.get(arm, 0.0) for arm in plan.arms]
        )
        for phase in evidence.phases
        if any(phase.shares.get(arm, 0.0) > 0 for arm in plan.arms)
    ]
    now = min(p_values, default=1.0) * len(p_values)
    return min(1.0, now, history.ratio_p) if p_values else history.ratio_p


def is_in_two_arms(evidence: Evidence) -> bool:
    """Whether too many units were in more than one arm, as when a service assigns by something else."""
    both = evidence.in_two_arms
    return both >= LEAST_IN_TWO_ARMS and both > MOST_IN_TWO_ARMS * (evidence.all_units + both)
