"""`python -m tests.experiments_quality.oracles > tests/experiments_quality/oracles.json`: what other libraries compute.

They bring 600 MB, so they are in the dependency group `oracles` (`pip install --group oracles`) and not in the tests'
environment; the tests compare with what is written here. The units are made by Python's own generator, which is the
same in every version.
"""

from __future__ import annotations

import json
import sys
from random import Random
from typing import Any

ALPHA = 0.05
UNITS = 400


def units(seed: int, rate: float) -> list[tuple[int, float]]:
    """(N, S) of users with a rate of their own."""
    random = Random(seed)
    found = []
    for _ in range(UNITS):
        own = min(1.0, max(0.0, random.gauss(rate, 0.2)))
        # Many have the most, so that no cap changes anything.
        calls = min(20, 1 + int(random.expovariate(0.15)))
        found.append((calls, float(sum(random.random() < own for _ in range(calls)))))
    return found


ARMS = {"control": units(1, 0.7), "variant_a": units(2, 0.74)}
P_VALUES = [0.118, 0.0211, 0.0213, 0.00218, 0.5, 0.04]
PROPORTIONS = [(17, 20), (0, 30), (30, 30), (481, 1000)]
PAIRS = [((48, 80), (56, 70)), ((5, 83), (12, 99)), ((0, 20), (3, 22))]
COUNTS = [[821_588, 815_482], [44_000, 45_000], [10, 20, 30, 25], [10, 20, 30, 25, 3]]


def main() -> None:
    found: dict[str, Any] = {}
    found |= _tea_tasting()
    found |= _scipy_and_statsmodels()
    json.dump(found, sys.stdout, indent=1)
    print()


def _tea_tasting() -> dict[str, Any]:
    import pandas
    import tea_tasting

    data = pandas.DataFrame(
        [
            {"variant": index, "calls": n, "successes": s}
            for index, arm in enumerate(ARMS.values())
            for n, s in arm
        ]
    )
    metric = tea_tasting.RatioOfMeans(
        "successes", "calls", use_t=False, equal_var=False, confidence_level=1 - ALPHA
    )
    result = tea_tasting.Experiment(ratio=metric).analyze(data)["ratio"]
    return {
        "tea-tasting": {
            "version": tea_tasting.__version__,
            "control": result.control,
            "treatment": result.treatment,
            "difference": result.effect_size,
            "interval": [result.effect_size_ci_lower, result.effect_size_ci_upper],
            "relative": result.rel_effect_size,
            "p_value": result.pvalue,
            "z": result.statistic,
        }
    }


def _scipy_and_statsmodels() -> dict[str, Any]:
    import scipy
    import statsmodels
    from scipy import stats
    from statsmodels.stats import multitest, proportion

    newcomb = [
        proportion.confint_proportions_2indep(a, n, c, m, method="newcomb", compare="diff", alpha=ALPHA)
        for (c, m), (a, n) in PAIRS
    ]
    return {
        "scipy": {
            "version": scipy.__version__,
            "chi_square": [stats.chisquare(counts).pvalue for counts in COUNTS],
            "two_sided": [2 * stats.norm.sf(z) for z in (0.5, 1.96, 3.0, 8.0)],
            "quantile": [stats.norm.ppf(p) for p in (0.001, 0.5, 0.975)],
        },
        "statsmodels": {
            "version": statsmodels.__version__,
            "holm": list(multitest.multipletests(P_VALUES, method="holm")[1]),
            "false_discovery_rate": list(multitest.multipletests(P_VALUES, method="fdr_bh")[1]),
            "wilson": [list(proportion.proportion_confint(s, n, ALPHA, "wilson")) for s, n in PROPORTIONS],
            "newcombe": [list(map(float, each)) for each in newcomb],
        },
    }


if __name__ == "__main__":
    main()
