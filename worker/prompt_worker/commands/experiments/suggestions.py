"""Suggestions as they are printed: a table on a terminal, tab-separated lines when piped, JSON for programs."""

from __future__ import annotations

import math

import msgspec

from prompt_worker.commands.experiments.tables import print_json, print_table
from prompt_worker.commands.terminal.printable import printable
from prompt_worker.experiments.suggesting import By, Found, Suggestion, Suggestions

# More than that nobody waits for.
MOST_DAYS = 3650
_METRICS = {"failures": "failure_rate", "p95": "execution_time_p95", "cost": "cost_per_success"}


def print_suggestions(found: Suggestions, *, by: By, top: int, as_json: bool) -> None:
    shown = found.prompts[: max(0, top)]
    if as_json:
        print_json(msgspec.structs.replace(found, prompts=shown))
        return
    cut = ", the newest; older ones were not read" if found.is_cut else ""
    print(f"{found.read:,} executions of the last {_days(found.days)}{cut}")
    columns = ("prompt", "units a day", "calls", "failed", "p95 in ms", "cost of a success", "units", "days")
    print_table(columns, [_row(each, by) for each in shown])
    without = sum(each.no_unit for each in found.prompts)
    if without:
        print(f"{without:,} calls without a user or session count nowhere: no test can assign them")
    if shown:
        print(
            f"units, days: of a test of two versions that finds a change of {found.target:.0%} in {_METRICS[by]}; "
            "plan one with 'prompt-worker experiments create'"
        )


def _row(each: Suggestion, by: By) -> tuple[object, ...]:
    chosen: Found | None = getattr(each, by)
    return (
        printable(each.name),
        f"{each.units_a_day:,.0f}",
        f"{each.calls:,}",
        _value(each.failures, percent=True),
        _value(each.p95),
        _value(each.cost),
        f"{chosen.needed:,}" if chosen and chosen.needed else "",
        _wait(chosen),
    )


def _value(found: Found | None, *, percent: bool = False) -> str:
    if found is None:
        return ""
    form = "{:.1%}" if percent else "{:.4g}"
    if found.interval is None:
        return f"{form.format(found.value)} (too few units)"
    return f"{form.format(found.value)} ({' … '.join(map(form.format, found.interval))})"


def _wait(found: Found | None) -> str:
    if found is None or found.days is None:
        return ""
    return f"{math.ceil(found.days):,}" if found.days <= MOST_DAYS else f"over {MOST_DAYS:,}"


def _days(days: float) -> str:
    return f"{days:g} days" if days >= 1 else f"{days * 24:.1f} hours"
