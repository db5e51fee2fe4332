"""Guardrails as they are listed: a table on a terminal, tab-separated lines when piped, JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

import msgspec
from rich.table import Table
from rich.text import Text

from prompt_worker.commands.command import open_console
from prompt_worker.commands.terminal.printable import printable
from prompt_worker.guardrails.guardrail import Guardrail
from prompt_worker.guardrails.recording.owners import why_unusable

COLUMNS = ("name", "type", "severity", "action", "templates", "categories", "state")


@dataclass(frozen=True)
class Listed:
    """A line of the list. `unusable` says why it is not applied; None where it is."""

    name: str
    type: str
    severity: str
    action: str
    templates: Sequence[str]
    categories: Sequence[str]
    is_active: bool
    unusable: str | None

    @property
    def state(self) -> str:
        return self.unusable or ("active" if self.is_active else "inactive")


def print_guardrails(guardrails: Iterable[Guardrail], *, as_json: bool = False) -> int:
    """The exit code: 1 when one of them cannot be used."""
    listed = [_listed(guardrail) for guardrail in guardrails]
    console = open_console(wrap=True)
    if as_json:
        for one in listed:
            print(msgspec.json.encode(asdict(one)).decode())
    elif console.is_terminal:
        console.print(_table(listed))
    else:
        print("\t".join(COLUMNS))
        for one in listed:
            print("\t".join(_cells(one)))
    return 1 if any(one.unusable for one in listed) else 0


def _listed(guardrail: Guardrail) -> Listed:
    return Listed(
        guardrail.name,
        guardrail.type,
        guardrail.severity,
        guardrail.action,
        guardrail.applies_to_templates,
        guardrail.applies_to_categories,
        guardrail.is_active,
        why_unusable(guardrail),
    )


def _cells(one: Listed) -> Iterator[str]:
    for name in COLUMNS:
        value = getattr(one, name)
        yield printable(value if isinstance(value, str) else ", ".join(value) or "all")


def _table(listed: Iterable[Listed]) -> Table:
    table = Table(*COLUMNS)
    for one in listed:
        style = "bold red" if one.unusable else "green" if one.is_active else "dim"
        *cells, state = _cells(one)
        table.add_row(*map(Text, cells), Text(state, style))
    return table
