"""A guarded rollout, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from rich.table import Table
from rich.text import Text

from prompt_worker.commands.command import open_console
from prompt_worker.commands.terminal.printable import printable, printable_time
from prompt_worker.prompts.authoring.reading.rollout import Arm, Rollout


def print_stepped(rollout: Rollout, *, as_json: bool, included_by: Sequence[str] = ()) -> None:
    """What was just done, and what can be done next. `included_by`: prompts, which get what is in production."""
    if as_json:
        print(msgspec.json.encode(rollout).decode())
        return
    console = open_console()
    console.print(Text(headline(rollout), "bold green" if rollout.is_running else "bold"))
    if included_by:
        names = ", ".join(map(printable, included_by))
        console.print(
            f"  it is included by {names}: these have version {rollout.control.version} until the last step"
        )
    for line in _next(rollout):
        console.print(f"  {line}")


def print_rollout(rollout: Rollout, *, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode(rollout).decode())
        return
    console = open_console(piped_width=250)
    console.print(Text(headline(rollout), "bold red" if rollout.is_bad else "bold"))
    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in _facts(rollout):
        facts.add_row(name, Text(value))
    console.print(facts)
    arms = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("arm", "version", f"{rollout.unit_kind}s", "failing", ""):
        arms.add_column(column, justify="left" if column == "arm" else "right")
    for name, arm in (("control", rollout.control), ("canary", rollout.canary)):
        arms.add_row(name, str(arm.version), *_counts(arm))
    console.print(arms)
    for line in _next(rollout):
        console.print(line)


def headline(rollout: Rollout) -> str:
    """What it is, in one sentence."""
    name, canary, control = printable(rollout.name), rollout.canary.version, rollout.control.version
    if rollout.is_running:
        paused = " (paused: nobody gets it now)" if rollout.status == "paused" else ""
        return (
            f"{name}: version {canary} is served to {rollout.percent:g} % of the {rollout.unit_kind}s, "
            f"version {control} to all others{paused}"
        )
    if rollout.promoted:
        return f"{name}: the rollout of version {canary} ended with it in production"
    return f"{name}: the rollout of version {canary} ended, all went back to version {control}"


def shown_beside(rollout: Rollout) -> str:
    """A running one in a line about its prompt."""
    canary, control = rollout.canary, rollout.control
    paused = ", paused" if rollout.status == "paused" else ""
    if canary.units is None:
        found = "nobody has looked at this step yet"
    else:
        verdict = f"{rollout.verdict}, " if rollout.is_bad else ""
        found = f"{verdict}{_failed(canary)} with it, {_failed(control)} without"
    return (
        f"version {canary.version} for {rollout.percent:g} % of the {rollout.unit_kind}s since "
        f"{printable_time(rollout.since)}{paused}; {found}"
    )


def _facts(rollout: Rollout) -> Iterator[tuple[str, str]]:
    steps = " → ".join(f"[{step:g}]" if step == rollout.percent else f"{step:g}" for step in rollout.steps)
    yield "experiment", printable(rollout.experiment)
    yield "steps", f"{steps} %"
    why = "" if rollout.why == f"{rollout.percent:g} %" else f": {printable(rollout.why)}"
    yield "since", f"{printable_time(rollout.since)} by {printable(rollout.by)}{why}"
    if rollout.ended_at is not None and not rollout.is_running:
        yield "ended", printable_time(rollout.ended_at)
    if rollout.is_running:
        yield (
            "on harm",
            "it is rolled back at once" if rollout.auto_rollback else "it stays until somebody aborts it",
        )
    yield "failures", "failed calls" + (" and what guardrails find" if rollout.counts_violations else "")
    if rollout.verdict is not None:
        looked = f" ({printable_time(rollout.looked_at)})" if rollout.looked_at is not None else ""
        yield "verdict", f"{rollout.verdict}: {printable(rollout.reason)}{looked}"
    if rollout.is_running and rollout.unwatched is not None:
        yield "unguarded", rollout.unwatched
    if rollout.excluded:
        left_out = ", ".join(f"{reason} {calls:,}" for reason, calls in sorted(rollout.excluded.items()))
        yield "not counted", f"calls: {printable(left_out)}"


def _failed(arm: Arm) -> str:
    return f"{arm.failing} of {arm.units} failed"


def _counts(arm: Arm) -> tuple[str, str, str]:
    if arm.units is None or arm.failing is None:
        return "-", "-", ""
    part = f"{arm.failing / arm.units:.1%}" if arm.units else ""
    return f"{arm.units:,}", f"{arm.failing:,}", part


def _next(rollout: Rollout) -> Iterator[str]:
    """What can be done now, with the command for it."""
    if not rollout.is_running:
        return
    name, commands = printable(rollout.name), []
    if rollout.status == "paused":
        resume = f'experiments resume "{printable(rollout.experiment)}" --reason WHY'
        commands.append(("go on", resume))
    elif not rollout.is_bad:
        further = (
            "put it in production"
            if rollout.next_step in (None, 100)
            else f"go on to {rollout.next_step:g} %"
        )
        commands.append((further, f"prompts rollout advance {name}"))
    commands.append(("take it back", f"prompts rollout abort {name}"))
    width = max(len(what) for what, _ in commands)
    for what, command in commands:
        yield f"{what}{' ' * (width - len(what))}  prompt-worker {command}"
