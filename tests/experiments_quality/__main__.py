"""`python -m tests.experiments_quality`: how often each verdict is right, in thousands of tests with a known truth."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from statistics import median

from tests.experiments_quality.simulating import Tally, Truth, simulate, simulate_canary, simulate_ratio

EQUAL = {
    "equal arms": Truth(),
    "equal arms, users differ more": Truth(concentration=1.5),
    "equal arms, success is rare": Truth(rates=(0.05, 0.05)),
}
BETTER = {"+3 points": Truth(rates=(0.8, 0.83)), "+5 points": Truth(rates=(0.8, 0.85))}
HARM = {
    "−6 points": Truth(rates=(0.8, 0.74)),
    "−6 points of 90": Truth(rates=(0.9, 0.84)),
    "−12 points": Truth(rates=(0.8, 0.68)),
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.experiments_quality", description=__doc__)
    parser.add_argument("--tests", type=int, default=2_000, help="of each kind (default: 2000)")
    parser.add_argument("--seed", type=int, default=15)
    options = parser.parse_args(arguments)
    print("% of tests\tverdict\tany difference\tfixed size\tcalls, any look\tcalls, at the end\tseconds")
    for line in _lines(options.tests, options.seed):
        print(line, flush=True)


def _lines(tests: int, seed: int) -> Iterator[str]:
    for name, truth in EQUAL.items():
        yield _line(name, truth, tests, seed, ("winner", "harmful", "srm_failed"))
    for name, truth in BETTER.items():
        yield _line(name, truth, tests, seed, ("winner",))
    for name, truth in HARM.items():
        yield _line(name, truth, tests, seed, ("harmful",))
    for share, units in ((0.5, 10_000), (0.52, 10_000), (0.52, 20_000)):
        start = time.monotonic()
        part = simulate_ratio(share, tests, seed, units=units) / tests
        yield f"{share:.0%} of {units} units\t{part:.1%} srm_failed\t\t\t\t\t{time.monotonic() - start:.0f}"
    for share in (0.1, 0.5):
        for rates in ((0.02, 0.02), (0.05, 0.05), (0.1, 0.1), (0.02, 0.3), (0.05, 0.3), (0.05, 0.1)):
            yield _canary(rates, share, tests, seed)


def _canary(rates: tuple[float, float], share: float, tests: int, seed: int) -> str:
    start = time.monotonic()
    found = [units for units in simulate_canary(rates, tests, seed, share=share) if units is not None]
    after = f", after {median(found):.0f} canary units" if found else ""
    return (
        f"canary of {share:.0%}: {rates[1]:.0%} against {rates[0]:.0%}\t{len(found) / tests:.2%} harmful{after}"
        f"\t\t\t\t\t{time.monotonic() - start:.0f}"
    )


def _line(name: str, truth: Truth, tests: int, seed: int, verdicts: Sequence[str]) -> str:
    start = time.monotonic()
    tally = simulate(truth, tests, seed)
    found = ", ".join(f"{_part(tally, tally.ever[verdict])} {verdict}" for verdict in verdicts)
    calls = tally.after.get(verdicts[-1] if verdicts == ("harmful",) else "", [])
    after = f" after {median(calls):.0f} calls" if calls else ""
    return "\t".join(
        (
            name,
            found + after,
            _part(tally, tally.rejected),
            _part(tally, tally.fixed_size),
            _part(tally, tally.calls_at_any_look),
            _part(tally, tally.calls_at_end),
            f"{time.monotonic() - start:.0f}",
        )
    )


def _part(tally: Tally, counted: int) -> str:
    return f"{counted / tally.tests:.1%}"


if __name__ == "__main__":
    main()
