"""What `prompt-worker up` prints once a demonstration is done: statistics, violations, dead letters, and their sum."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, text

from prompt_worker.deadletters.filters import Filter
from prompt_worker.deadletters.summary import summarize
from prompt_worker.local.demo.experiments import DAYS, PLANNED_UNITS, Concluded
from prompt_worker.local.demo.run import Ledger
from prompt_worker.local.demo.spread import Spread
from prompt_worker.platform.postgres.session import Session

# Causes of dead letters that are shown.
CAUSES = 12


def print_ledger(console: Console, ledger: Ledger) -> None:
    dead = ledger.dead_lettered
    console.print(
        f"\n{ledger.published:,} published = {ledger.written:,} written + {ledger.duplicates:,} duplicates "
        f"+ {dead.total():,} dead-lettered: {'nothing is lost' if ledger.holds else 'THE SUM DOES NOT HOLD'}"
    )
    if ledger.redelivered:
        console.print(f"({ledger.redelivered:,} were delivered again by Pub/Sub and recognised)")
    if dead:
        console.print(
            "dead letters: " + ", ".join(f"{number} {cause}" for cause, number in dead.most_common())
        )


def print_dead_letters(console: Console, engine: Engine) -> None:
    """Those that are stored, by cause, the largest first."""
    summary = summarize(Session(engine), Filter(), limit=CAUSES)
    if not summary.total:
        return
    table = Table("stored", "pending", "error class", "reason", box=None, padding=(0, 1, 0, 0))
    for column in table.columns[:2]:
        column.justify = "right"
    for group in summary.groups:
        table.add_row(f"{group.number:,}", f"{group.pending:,}", group.error_class, group.reason)
    console.print()
    console.print(table, markup=False)
    console.print(
        f"{summary.total:,} dead letters of {summary.causes:,} causes; see 'prompt-worker dead-letters summary'\n"
    )


def print_violations(console: Console, ledger: Ledger) -> None:
    """Planted beside recorded, kind by kind."""
    table = Table("guardrail", "what", "seen by", "planted", "recorded", box=None, padding=(0, 1, 0, 0))
    for column in table.columns[3:]:
        column.justify = "right"
    for kind in sorted(ledger.planted | ledger.found):
        style = "" if ledger.planted[kind] == ledger.found[kind] else "bold red"
        table.add_row(*kind, f"{ledger.planted[kind]:,}", f"{ledger.found[kind]:,}", style=style)
    console.print()
    console.print(table)
    exact = ledger.planted == ledger.found
    console.print("violations: exactly those planted" if exact else "THE VIOLATIONS ARE NOT THOSE PLANTED")


def print_statistics(console: Console, engine: Engine) -> None:
    """The templates' statistics, as a prompt owner's query sees them."""
    table = Table(
        "template", "runs", "ok", "fail", "ok %", "ms", "tokens", "US$", box=None, padding=(0, 1, 0, 0)
    )
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.justify = "right"
    query = text(
        "SELECT name || ' v' || version, total_executions, success_count, failure_count, success_rate_percentage, "
        "round(avg_response_time_ms)::integer, avg_token_count, round(avg_cost_usd, 5) "
        "FROM v_template_performance WHERE total_executions > 0 ORDER BY name, version"
    )
    with engine.connect() as connection:
        for row in connection.execute(query):
            name, *numbers = row
            table.add_row(name, *("" if value is None else f"{value:,}" for value in numbers))
    console.print(table)


def print_experiments(console: Console, concluded: Sequence[Concluded]) -> None:
    """What was planted beside what the last look at each found."""
    table = Table(
        "experiment", "planted", "units", "control", "variant", "p", "verdict", box=None, padding=(0, 1, 0, 0)
    )
    for column in table.columns[2:6]:
        column.justify = "right"
    for each in concluded:
        look, rates = each.look, each.begun.planted.rates
        measured = look.evidence.measured.get("success_rate", {})
        found = [
            ""
            if (arm := measured.get(name)) is None or arm.moments.ratio is None
            else f"{arm.moments.ratio:.1%}"
            for name in rates
        ]
        table.add_row(
            each.begun.name,
            " and ".join(f"{rate:.0%}" for rate in rates.values()),
            f"{look.evidence.all_units:,}",
            *found,
            "" if look.p_value is None else f"{look.p_value:.2g}",
            f"{look.verdict.name}: {look.verdict.why}",
            style="" if each.is_as_planted else "bold red",
        )
    console.print()
    console.print(table, markup=False)
    executions, wrong = (
        sum(each) for each in zip(*((one.executions, one.wrong) for one in concluded), strict=True)
    )
    as_planted = all(each.is_as_planted for each in concluded)
    console.print(
        f"{'verdicts: as planted' if as_planted else 'THE VERDICTS ARE NOT AS PLANTED'}; {executions - wrong:,} "
        f"executions were served as assigned{f', {wrong:,} WERE NOT' if wrong else ''}"
    )
    console.print(
        f"(a verdict takes a week: the times of these executions, and the start, were put into the last {DAYS} days)"
    )
    if not all(each.has_enough for each in concluded):
        console.print(f"(a verdict takes {PLANNED_UNITS} units: up --demo 5000 has as many)")


def print_spread(console: Console, spread: Spread) -> None:
    """When each service followed the release in the middle."""
    released = spread.release
    if released is None:
        return
    table = Table(
        "service",
        f"v{released.before} after it",
        f"v{released.version} after",
        box=None,
        padding=(0, 1, 0, 0),
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for follower in spread.followers():
        followed = "never" if follower.followed is None else f"{follower.followed:.2f} s"
        table.add_row(follower.service, f"{follower.stale:,}", followed)
    console.print(
        f"\n{released.name}: version {released.version} was activated in the middle, and reached "
        f"{'every service' if spread.is_everywhere else 'NOT EVERY SERVICE'}"
    )
    console.print(table)
