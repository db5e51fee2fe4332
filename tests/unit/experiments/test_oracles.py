"""The same numbers as other libraries: tea-tasting, scipy and statsmodels, as `oracles.json` has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from prompt_worker.experiments.statistics import normal, proportion
from prompt_worker.experiments.statistics.difference import absolute, relative
from prompt_worker.experiments.statistics.moments import Moments
from prompt_worker.experiments.statistics.multiple import false_discovery_rate, holm
from tests.experiments_quality import oracles
from tests.experiments_quality.fixed import chi_square

FOUND: dict[str, Any] = json.loads(Path(oracles.__file__).with_suffix(".json").read_text(encoding="utf-8"))
EXACT = 1e-9


def test_ratio_of_units_is_that_of_tea_tasting() -> None:
    expected = FOUND["tea-tasting"]
    control, treatment = (Moments.of(arm) for arm in oracles.ARMS.values())
    found = absolute(control, treatment)
    part = relative(control, treatment)
    assert found is not None
    assert part is not None
    assert (control.ratio, treatment.ratio) == pytest.approx(
        (expected["control"], expected["treatment"]), rel=EXACT
    )
    assert (found.estimate, found.z) == pytest.approx((expected["difference"], expected["z"]), rel=EXACT)
    assert found.p_value == pytest.approx(expected["p_value"], rel=EXACT)
    assert found.interval(oracles.ALPHA) == pytest.approx(expected["interval"], rel=EXACT)
    assert part.estimate == pytest.approx(expected["relative"], rel=EXACT)


def test_normal_distribution_is_that_of_scipy() -> None:
    assert [normal.two_sided(z) for z in (0.5, 1.96, 3.0, 8.0)] == pytest.approx(
        FOUND["scipy"]["two_sided"], rel=EXACT
    )
    quantiles = [normal.quantile(p) for p in (0.001, 0.5, 0.975)]
    assert quantiles == pytest.approx(FOUND["scipy"]["quantile"], rel=EXACT, abs=EXACT)
    found = [chi_square(counts, [1] * len(counts)) for counts in oracles.COUNTS]
    assert found == pytest.approx(FOUND["scipy"]["chi_square"], rel=1e-7)


def test_several_p_values_are_those_of_statsmodels() -> None:
    assert holm(oracles.P_VALUES) == pytest.approx(FOUND["statsmodels"]["holm"], rel=EXACT)
    found = false_discovery_rate(oracles.P_VALUES)
    assert found == pytest.approx(FOUND["statsmodels"]["false_discovery_rate"], rel=EXACT)


def test_intervals_of_proportions_are_those_of_statsmodels() -> None:
    for (successes, of), expected in zip(oracles.PROPORTIONS, FOUND["statsmodels"]["wilson"], strict=True):
        assert proportion.wilson(successes, of) == pytest.approx(expected, rel=EXACT, abs=EXACT)
    for pair, expected in zip(oracles.PAIRS, FOUND["statsmodels"]["newcombe"], strict=True):
        assert proportion.newcombe(*pair) == pytest.approx(expected, rel=1e-6, abs=EXACT)
