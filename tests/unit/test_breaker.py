"""The breaker opens when nearly everything is rejected, says why, and forgives the odd bad event."""

from __future__ import annotations

import pytest

from prompt_worker.consuming.breaker import Breaker, BreakerError
from prompt_worker.consuming.outcome import Outcome, Rejected, Verdict

BAD: Outcome = Rejected("invalid_field", "Object missing required field `status`")
UNKNOWN: Outcome = Rejected("unknown_template", "no template")


def test_few_bad_events_never_open_the_breaker() -> None:
    breaker = Breaker(window=100, ratio=0.95)
    for _ in range(200):
        breaker.record([BAD] * 9 + [Verdict.WRITTEN])


def test_breaker_opens_at_its_ratio_and_not_before() -> None:
    Breaker(window=100, ratio=0.95).record([BAD] * 94 + [Verdict.WRITTEN] * 6)
    with pytest.raises(BreakerError):
        Breaker(window=100, ratio=0.95).record([BAD] * 95 + [Verdict.WRITTEN] * 5)


def test_breaker_waits_for_its_window() -> None:
    breaker = Breaker(window=100, ratio=0.95)
    for _ in range(9):
        breaker.record([BAD] * 10)
    with pytest.raises(BreakerError):
        breaker.record([BAD] * 10)


def test_old_good_window_does_not_hide_a_new_bad_one() -> None:
    breaker = Breaker(window=100, ratio=0.95)
    for _ in range(1000):
        breaker.record([Verdict.WRITTEN] * 100)
    with pytest.raises(BreakerError):
        breaker.record([BAD] * 100)


def test_breaker_says_why_it_opened_and_what_to_do() -> None:
    with pytest.raises(BreakerError) as raised:
        Breaker(window=10, ratio=0.9).record([BAD] * 8 + [UNKNOWN] * 2)
    message = str(raised.value)
    assert "10 of the last 10 events were rejected" in message
    assert "invalid_field: 8, unknown_template: 2" in message
    assert "prompt-worker doctor" in message
    assert "PROMPT_WORKER_BREAKER_WINDOW" in message
    assert raised.value.exit_code == 70


@pytest.mark.parametrize("outcome", [Verdict.WRITTEN, Verdict.DUPLICATE, Verdict.RETRY])
def test_breaker_counts_only_rejections(outcome: Verdict) -> None:
    Breaker(window=1, ratio=0.01).record([outcome] * 100)
