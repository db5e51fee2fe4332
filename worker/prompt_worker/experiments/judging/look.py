"""One look at an experiment, from the rows' evidence to a verdict: a pure function."""

from __future__ import annotations

import msgspec

from prompt_worker.experiments.judging.comparison import Comparison, compare, key_of, look_once
from prompt_worker.experiments.judging.evidence import CONTROL, Evidence, History, Plan, PlannedLook
from prompt_worker.experiments.judging.rollout import Canary, judge_canary
from prompt_worker.experiments.judging.validity import ratio_p_value
from prompt_worker.experiments.judging.verdict import (
    UNTRUSTED,
    Verdict,
    adjust,
    is_planned_size,
    judge,
    judge_rollout,
)


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """All that a look found. `planned`: what was computed once, if this is the look at the planned size.

    Where the arms cannot be compared `comparisons` is empty: nobody reads numbers that mean nothing.
    """

    evidence: Evidence
    verdict: Verdict
    ratio_p: float
    comparisons: list[Comparison]
    planned: dict[str, PlannedLook] | None = None
    canary: Canary | None = None

    @property
    def p_value(self) -> float | None:
        """Of the primary metric, the smallest of all variants, adjusted. None while it may not be trusted."""
        primary = self.comparisons[0].metric if self.comparisons else None
        return min(
            (c.adjusted for c in self.comparisons if c.metric == primary and c.adjusted is not None),
            default=None,
        )


def take_look(plan: Plan, evidence: Evidence, history: History) -> Look:
    """Looks once at the planned size, and never again: `history.planned` is what was found then."""
    ratio_p = ratio_p_value(plan, evidence, history)
    planned = None
    if history.planned is None and plan.kind == "test" and is_planned_size(plan, evidence):
        candidate = _look_once(plan, evidence)
        # Not while the arms cannot be compared: the one look would be spent on nothing.
        if _is_trusted(plan, evidence, history, ratio_p):
            planned = candidate
            history = msgspec.structs.replace(history, planned=planned, planned_at=evidence.at)
    comparisons = [
        compare(plan, evidence, history, metric, arm)
        for metric in plan.metrics
        for arm in plan.arms
        if arm != CONTROL
    ]
    adjust(comparisons)
    canary = None
    if plan.kind == "rollout":
        canary = judge_canary(evidence)
        verdict = judge_rollout(plan, evidence, history, canary, ratio_p=ratio_p)
    else:
        verdict = judge(plan, evidence, history, comparisons, ratio_p=ratio_p)
    if verdict.name in UNTRUSTED:
        comparisons = []
    return Look(
        evidence=evidence,
        verdict=verdict,
        ratio_p=ratio_p,
        comparisons=comparisons,
        planned=planned,
        canary=canary,
    )


def _look_once(plan: Plan, evidence: Evidence) -> dict[str, PlannedLook]:
    found: dict[str, PlannedLook] = {}
    for metric in plan.metrics:
        for arm in plan.arms:
            once = look_once(plan, evidence, metric, arm) if arm != CONTROL else None
            if once is not None:
                found[key_of(metric, arm)] = once
    return found


def _is_trusted(plan: Plan, evidence: Evidence, history: History, ratio_p: float) -> bool:
    return judge(plan, evidence, history, [], ratio_p=ratio_p).name not in UNTRUSTED
