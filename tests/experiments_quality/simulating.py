"""Experiments with a known truth, looked at again and again: how often each verdict is right.

Users have a failure rate of their own and about seven calls each, as calls of one user resemble each other. The whole
of `take_look` is used, over sums that numpy keeps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from prompt_worker.experiments.judging.evidence import CONTROL, Evidence, History, Measured, PhaseUnits, Plan
from prompt_worker.experiments.judging.look import Look, take_look
from prompt_worker.experiments.judging.rollout import CANARY, judge_canary
from prompt_worker.experiments.judging.validity import RATIO_LEVEL
from prompt_worker.experiments.statistics.moments import Moments
from prompt_worker.experiments.statistics.normal import two_sided
from prompt_worker.experiments.statistics.sample_ratio import p_value
from tests.experiments_quality.fixed import pooled_z

VARIANT = "variant_a"
START = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = 14


@dataclass(frozen=True)
class Truth:
    """`rates`: of success in the control and the variant; `concentration`: of users' own rates around it (Beta).

    `share`: of the users that the variant really gets, while it should get half.
    """

    rates: tuple[float, float] = (0.8, 0.8)
    users: int = 1_286
    calls: int = 9_000
    each: int = 100
    concentration: float = 3.0
    share: float = 0.5
    planned: int = 1_200


@dataclass
class Tally:
    """Of many tests. `verdicts`: the last of each; `ever`: those that a verdict was given in at any look."""

    tests: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    ever: Counter[str] = field(default_factory=Counter)
    # Tests in which any look found a difference, better or worse.
    rejected: int = 0
    # Calls until the first look with that verdict.
    after: dict[str, list[int]] = field(default_factory=dict)
    # What others would have found: one test of users at the planned look, and tests of calls.
    planned: int = 0
    fixed_size: int = 0
    calls_at_any_look: int = 0
    calls_at_end: int = 0


def simulate(truth: Truth, tests: int, seed: int) -> Tally:
    """Looks at each test after every `each` calls, and once more at the end, when it is completed."""
    tally = Tally()
    for child in np.random.default_rng(seed).spawn(tests):
        _simulate_one(truth, child, tally)
    return tally


def _simulate_one(truth: Truth, random: np.random.Generator, tally: Tally) -> None:
    tally.tests += 1
    arm = (random.random(truth.users) < truth.share).astype(int)
    rate = np.asarray(truth.rates)[arm]
    own = random.beta(rate * truth.concentration, (1 - rate) * truth.concentration)
    # Users come one after the other, and each calls for some days.
    user = random.integers(truth.users, size=truth.calls)
    user = user[np.argsort(random.random(truth.users)[user] + 0.2 * random.random(truth.calls))]
    success = random.random(truth.calls) < own[user]
    seen: set[str] = set()
    rejected = False
    found_by_calls = False
    history = History()
    look: Look | None = None
    for made, (n, s) in _growing(truth, user, success):
        evidence = _evidence(truth, arm, n, s, made)
        look = take_look(_plan(truth, evidence), evidence, history)
        history = History(
            planned=look.planned or history.planned, planned_at=history.planned_at, ratio_p=look.ratio_p
        )
        rejected |= look.p_value is not None and look.p_value <= 0.05
        if look.verdict.name not in seen:
            seen.add(look.verdict.name)
            tally.ever[look.verdict.name] += 1
            tally.after.setdefault(look.verdict.name, []).append(made)
        _, p = pooled_z(_calls(arm, n, s, 0), _calls(arm, n, s, 1))
        found_by_calls |= p < 0.05
        if look.planned:
            tally.planned += 1
            tally.fixed_size += _fixed(evidence)
        tally.calls_at_end += made == truth.calls and p < 0.05
    assert look is not None
    tally.verdicts[look.verdict.name] += 1
    tally.calls_at_any_look += found_by_calls
    tally.rejected += rejected


def _growing(
    truth: Truth, user: NDArray[np.int64], success: NDArray[np.bool_]
) -> Iterator[tuple[int, tuple[NDArray[np.int64], NDArray[np.int64]]]]:
    n = np.zeros(truth.users, dtype=np.int64)
    s = np.zeros(truth.users, dtype=np.int64)
    for start in range(0, truth.calls, truth.each):
        batch = slice(start, start + truth.each)
        n += np.bincount(user[batch], minlength=truth.users)
        s += np.bincount(user[batch], weights=success[batch], minlength=truth.users).astype(np.int64)
        yield min(start + truth.each, truth.calls), (n, s)


def _evidence(
    truth: Truth, arm: NDArray[np.int64], n: NDArray[np.int64], s: NDArray[np.int64], made: int
) -> Evidence:
    served = n > 0
    measured, units, rows = {}, {}, {}
    for index, name in enumerate((CONTROL, VARIANT)):
        chosen = served & (arm == index)
        weights, sums = n[chosen], s[chosen]
        units[name], rows[name] = int(chosen.sum()), int(weights.sum())
        measured[name] = Measured(
            Moments(
                units[name],
                float(weights.sum()),
                float(sums.sum()),
                float(sums @ sums),
                float(sums @ weights),
                float(weights @ weights),
            )
        )
    return Evidence(
        at=START + timedelta(days=DAYS * made / truth.calls),
        units=units,
        rows=rows,
        measured={"success_rate": measured},
        phases=(PhaseUnits(1, units, {CONTROL: 0.5, VARIANT: 0.5}),),
    )


def _plan(truth: Truth, evidence: Evidence) -> Plan:
    return Plan(
        id=UUID(int=1),
        name="simulated",
        arms=(CONTROL, VARIANT),
        primary="success_rate",
        planned_units=truth.planned,
        started_at=START,
        is_running=evidence.at < START + timedelta(days=DAYS),
    )


def _calls(arm: NDArray[np.int64], n: NDArray[np.int64], s: NDArray[np.int64], index: int) -> tuple[int, int]:
    return int(s[arm == index].sum()), int(n[arm == index].sum())


def _fixed(evidence: Evidence) -> bool:
    """Whether a test of users that looks only now finds a difference."""
    before, after = (evidence.measured["success_rate"][name].moments for name in (CONTROL, VARIANT))
    assert before.ratio is not None
    assert after.ratio is not None
    variance = (before.variance or 0) + (after.variance or 0)
    return two_sided((after.ratio - before.ratio) / variance**0.5) < 0.05


def simulate_ratio(share: float, tests: int, seed: int, *, units: int = 10_000, each: int = 100) -> int:
    """In how many tests the sample ratio fails at any look, where the variant gets `share` instead of half."""
    failed = 0
    for random in np.random.default_rng(seed).spawn(tests):
        variant = np.cumsum(random.random(units) < share)[each - 1 :: each]
        failed += any(
            p_value([each * look - int(got), int(got)], [0.5, 0.5]) < RATIO_LEVEL
            for look, got in enumerate(variant, 1)
        )
    return failed


def simulate_canary(
    rates: tuple[float, float], tests: int, seed: int, *, units: int = 6_000, share: float = 0.1
) -> list[int | None]:
    """Canary units until its harm is found, for each test; None where it never is. `rates`: of units that fail."""
    found: list[int | None] = []
    for random in np.random.default_rng(seed).spawn(tests):
        canary = random.random(units) < share
        failing = random.random(units) < np.where(canary, rates[1], rates[0])
        exposed = np.cumsum(canary)
        failed = np.cumsum(canary & failing)
        found.append(None)
        # Nothing changes for the worse but with a failure.
        for look, at in enumerate(np.flatnonzero(failing), 1):
            evidence = Evidence(
                at=START,
                units={CONTROL: int(at + 1 - exposed[at]), CANARY: int(exposed[at])},
                rows={},
                measured={},
                failing={CONTROL: look - int(failed[at]), CANARY: int(failed[at])},
            )
            judged = judge_canary(evidence)
            if judged is not None and judged.is_harmful:
                found[-1] = judged.units
                break
    return found
