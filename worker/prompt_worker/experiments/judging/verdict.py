"""The verdict on an experiment: the first that holds, of eight."""

from __future__ import annotations

from typing import Literal

import msgspec

from prompt_worker.experiments.judging.comparison import Comparison
from prompt_worker.experiments.judging.evidence import Evidence, History, Plan
from prompt_worker.experiments.judging.rollout import CANARY, Canary
from prompt_worker.experiments.judging.validity import RATIO_LEVEL, is_in_two_arms, mislabelled_arms
from prompt_worker.experiments.statistics import split
from prompt_worker.experiments.statistics.multiple import holm

Name = Literal[
    "invalid", "srm_failed", "harmful", "collecting", "winner", "no_difference", "inconclusive", "stopped"
]

# In these the arms cannot be compared: their metrics are hidden.
UNTRUSTED = ("invalid", "srm_failed")
# Units of an arm and its control, from which harm is said to be harm.
LEAST_FOR_HARM = 100
# Units of each arm, and whole days: weekdays differ.
LEAST_FOR_WINNER = 100
DAYS = 7


class Verdict(msgspec.Struct, frozen=True):
    """`why` is a sentence for people; `arm` the one that it is about, if it is about one."""

    name: Name
    why: str
    arm: str | None = None


def judge(
    plan: Plan,
    evidence: Evidence,
    history: History,
    comparisons: list[Comparison],
    *,
    ratio_p: float,
) -> Verdict:
    """`comparisons`: of every variant by every metric of the plan, adjusted; `ratio_p`: of the sample ratio."""
    untrusted = _untrusted(evidence, ratio_p)
    if untrusted is not None:
        return untrusted
    harm = _harm(plan, comparisons)
    if harm is not None:
        return harm
    winner = _winner(plan, evidence, comparisons)
    done = history.planned is not None
    if plan.is_running and winner is None and not done:
        return Verdict("collecting", _collected(plan, evidence))
    if winner is not None:
        return winner
    if not done:
        return Verdict("stopped", "it was stopped before its planned size, and found nothing until then")
    return _undecided(plan, comparisons)


def judge_rollout(
    plan: Plan, evidence: Evidence, history: History, canary: Canary | None, *, ratio_p: float
) -> Verdict:
    """By the units that fail alone, and harm before all else: going back costs little, and needs no proof."""
    if history.harm is not None:
        return Verdict("harmful", history.harm, CANARY)
    if canary is not None and canary.is_harmful:
        return Verdict("harmful", canary.why, CANARY)
    untrusted = _untrusted(evidence, ratio_p)
    if untrusted is not None:
        return untrusted
    name: Name = "collecting" if plan.is_running else "stopped"
    if not evidence.all_units:
        return Verdict(name, "no unit was seen at this step")
    found = canary.why if canary is not None else f"no failure in {evidence.all_units} units"
    return Verdict(name, f"no harm is found: {found}")


def adjust(comparisons: list[Comparison]) -> None:
    """Sets `adjusted`: by Holm over the variants, for each metric."""
    for metric in {comparison.metric for comparison in comparisons}:
        found = [each for each in comparisons if each.metric == metric and each.p_value is not None]
        for each, adjusted in zip(found, holm([each.p_value or 0.0 for each in found]), strict=True):
            each.adjusted = adjusted


def days_running(plan: Plan, evidence: Evidence) -> int:
    """Whole days from its start until now, or until its end."""
    if plan.started_at is None:
        return 0
    return max(0, (min(plan.ended_at or evidence.at, evidence.at) - plan.started_at).days)


def is_planned_size(plan: Plan, evidence: Evidence) -> bool:
    return evidence.all_units >= plan.planned_units and days_running(plan, evidence) >= DAYS


def _untrusted(evidence: Evidence, ratio_p: float) -> Verdict | None:
    wrong = mislabelled_arms(evidence)
    if wrong:
        rows = evidence.mislabelled[wrong[0]]
        return Verdict("invalid", f"{rows} rows of {wrong[0]} were served with another template", wrong[0])
    if ratio_p < RATIO_LEVEL:
        return Verdict("srm_failed", f"the arms do not have the units that they should: p {ratio_p:.2g}")
    if is_in_two_arms(evidence):
        return Verdict("srm_failed", f"{evidence.in_two_arms} units were in more than one arm")
    return None


def _harm(plan: Plan, comparisons: list[Comparison]) -> Verdict | None:
    level = split.early_level(plan.alpha)
    for metric in plan.metrics:
        found = [each for each in comparisons if each.metric == metric and each.early is not None]
        for each, early in zip(found, holm([each.early or 0.0 for each in found]), strict=True):
            if each.worsens and early <= level and each.units >= LEAST_FOR_HARM:
                return Verdict("harmful", f"{each.arm} is worse by {metric}: early p {early:.2g}", each.arm)
    return None


def _winner(plan: Plan, evidence: Evidence, comparisons: list[Comparison]) -> Verdict | None:
    if days_running(plan, evidence) < DAYS:
        return None
    enough = {arm for arm, units in evidence.units.items() if units >= LEAST_FOR_WINNER}
    worse = {
        each.arm
        for each in comparisons
        if each.metric in plan.protected
        and each.worsens
        and each.p_value is not None
        and each.p_value <= plan.alpha
    }
    better = [
        each
        for each in comparisons
        if each.metric == plan.primary
        and each.improves
        and each.adjusted is not None
        and each.adjusted <= plan.alpha
        and each.arm not in worse
        and {each.arm, plan.arms[0]} <= enough
    ]
    if not better:
        return None
    best = max(better, key=lambda each: abs(each.difference or 0.0))
    return Verdict("winner", f"{best.arm} is better by {plan.primary}: p {best.adjusted:.2g}", best.arm)


def _collected(plan: Plan, evidence: Evidence) -> str:
    return f"{evidence.all_units} of {plan.planned_units} units, {days_running(plan, evidence)} of at least {DAYS} days"


def _undecided(plan: Plan, comparisons: list[Comparison]) -> Verdict:
    target = plan.target
    intervals = [each.relative for each in comparisons if each.metric == plan.primary]
    if (
        target is not None
        and intervals
        and all(each is not None and -target <= each[0] and each[1] <= target for each in intervals)
    ):
        return Verdict("no_difference", f"every arm is within {target:.1%} of the control")
    worse = [each for each in comparisons if each.worsens and each.adjusted and each.adjusted <= plan.alpha]
    if worse:
        each = min(worse, key=lambda each: each.adjusted or 0.0)
        why = f"no arm is better, and {each.arm} is worse by {each.metric}: p {each.adjusted:.2g}"
        return Verdict("inconclusive", why, each.arm)
    return Verdict("inconclusive", "its planned size is reached, and the interval leaves both possible")
