"""The rules of a prompt, each on a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from rich.text import Text

from prompt_worker.commands.command import open_console
from prompt_worker.commands.terminal.printable import printable


def print_rules(name: str, rules: list[Any], *, as_json: bool, before: list[Any] | None = None) -> None:
    """`before`: what they were, where they were just changed."""
    if as_json:
        for rule in rules:
            print(json.dumps(rule))
        return
    console = open_console()
    if not rules:
        console.print(f"{printable(name)} has no rules: every context gets the version in production")
    for number, line in rule_lines(rules):
        is_new = before is not None and rules[number - 1] not in before
        console.print(Text(f"rule {number}: {line}", "green" if is_new else ""))
    if before is not None and before == rules:
        console.print("nothing was changed")


def rule_lines(rules: list[Any]) -> Iterator[tuple[int, str]]:
    """The number of each, and what it says."""
    for number, rule in enumerate(rules, 1):
        yield number, printable(_said(rule))


def _said(rule: Any) -> str:
    """As it is, where it cannot be read."""
    when = rule.get("when") if isinstance(rule, dict) else None
    if not isinstance(when, dict) or not ("version" in rule or "label" in rule):
        return json.dumps(rule, ensure_ascii=False)
    conditions = " and ".join(f"{key} {_condition(wanted)}" for key, wanted in when.items())
    target = f"version {rule['version']}" if "version" in rule else f"label {rule['label']}"
    return f"{target} when {conditions or 'asked for at all'}"


def _condition(wanted: Any) -> str:
    if not isinstance(wanted, dict):
        return f"is {_plain(wanted)}"
    if wanted.keys() == {"in"} and isinstance(wanted["in"], list):
        return f"is one of {', '.join(map(_plain, wanted['in']))}"
    bounds = [f"{part} {_plain(wanted[part])}" for part in ("from", "to") if part in wanted]
    return f"is {' '.join(bounds)}" if len(bounds) == len(wanted) else json.dumps(wanted, ensure_ascii=False)


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
