"""What was found before an activation."""

from __future__ import annotations

import msgspec
from rich.console import Console
from rich.text import Text

from prompt_worker.commands.command import open_console
from prompt_worker.commands.prompts.reports.changes import print_lines
from prompt_worker.commands.prompts.reports.checks import print_checked
from prompt_worker.commands.terminal.printable import printable
from prompt_worker.prompts.authoring.releases.gate.examining import Examined
from prompt_worker.prompts.authoring.releases.gate.gate import Gate, Spread

# Of a difference that is printed; --json has all of it.
_LINES = 40


def print_examined(examined: Examined, *, as_json: bool) -> None:
    if as_json:
        for gate in examined.gates:
            print(msgspec.json.encode(gate).decode())
    console = open_console(stderr=as_json)
    print_checked(console, examined.checked)
    for gate in () if as_json else examined.gates:
        _print_gate(console, gate)


def _print_gate(console: Console, gate: Gate) -> None:
    name = f"{printable(gate.name)}@{gate.version}"
    _print_cases(console, name, gate)
    if not gate.executions:
        console.print(f"{name}: no execution yet to try it on")
        return
    changed = gate.executions - gate.failures - gate.identical
    failed = Text(f"{gate.failures:,} fail", "bold red" if gate.failures else "green")
    console.print(
        Text.assemble(
            (f"{name}: ", "bold"),
            f"over its last {gate.executions:,} executions ",
            failed,
            f", {gate.identical:,} stay the same, {changed:,} change",
        )
    )
    for each in gate.failed:
        console.print(
            Text(
                f"  {_times(each.number)} {printable(each.message)}; for example execution {each.example}",
                "red",
            )
        )
    if gate.spread is not None and changed:
        console.print(f"  {_longer(gate.spread)}")
    for noticed in gate.noticed:
        text = f"  guardrail {printable(noticed.guardrail)} ({noticed.action}) finds something in {noticed.after:,}"
        style = "yellow" if noticed.after > noticed.before else ""
        console.print(Text(f"{text}, before in {noticed.before:,}", style))
    if gate.unchecked is not None:
        console.print(f"  no guardrail was asked: {gate.unchecked}", style="dim")
    for one in gate.differing:
        masked = "" if gate.shown else ", texts masked"
        console.print(f"  execution {one.execution}, version {one.version} then{masked}", style="bold")
        print_lines(console, one.lines[:_LINES], indent="    ")
        if len(one.lines) > _LINES:
            console.print(
                f"    and {len(one.lines) - _LINES:,} lines more: --json has all of them", style="dim"
            )


def _print_cases(console: Console, name: str, gate: Gate) -> None:
    if not gate.cases:
        return
    number = len(gate.failed_cases)
    failed = Text(f"{number:,} fail", "bold red" if number else "green")
    plural = "s" * (gate.cases != 1)
    console.print(Text.assemble((f"{name}: ", "bold"), f"over {gate.cases:,} saved case{plural} ", failed))
    for each in gate.failed_cases:
        note = f" ({printable(each.note)})" if each.note else ""
        console.print(Text(f"  case {each.id}{note}: {printable(each.message)}", "red"))


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"


def _longer(spread: Spread) -> str:
    plural = "s" * (abs(spread.tokens) != 1)
    tokens = f"about {spread.tokens:+,} token{plural}" if spread.tokens else "about as many tokens"
    if spread.least == spread.most:
        return f"each {spread.most:+,} characters: {tokens}"
    return (
        f"length {spread.least:+,} to {spread.most:+,} characters, {spread.median:+,} in the middle: {tokens}"
    )
