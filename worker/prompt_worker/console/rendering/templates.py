"""Templates: everything that they print is escaped, and characters that nobody sees are marked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from shlex import quote
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from prompt_worker.console.rendering.assets import Asset
from prompt_worker.console.rendering.links import link
from prompt_worker.console.rendering.marking import marked

# Characters of a text that a page shows, of one in a cell of a table, and of one beside others there.
LONGEST = 65_536
CELL = 200
BRIEF = 60
NOTHING = "\N{EN DASH}"


def make_templates(assets: Mapping[str, Asset]) -> Environment:
    """The templates of `pages` and `parts`, by their paths from the console's folder."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parents[1]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals |= {
        "asset": lambda name: assets[name].path,
        "link": link,
        "now": lambda: datetime.now(UTC),
    }
    environment.filters |= {
        "number": number,
        "time": time_text,
        "age": age,
        "cell": lambda value: shortened(value, CELL),
        "brief": lambda value: shortened(value, BRIEF),
        "long": lambda value: shortened(value, LONGEST),
        "percent": percent,
        "money": money,
        # For a field that is sent back as it was: escaped, not marked.
        "exact": escape,
        "pretty": lambda value: json.dumps(value, ensure_ascii=False, indent=2),
        "shell": lambda value: quote(str(value)),
    }
    return environment


def _finalized(value: Any) -> Any:
    """Whatever `{{ }}` prints comes through here before it is escaped."""
    if value is None:
        return ""
    return value if isinstance(value, Markup) else marked(str(value))


def number(value: float | Decimal | None) -> str:
    """With thousands apart, four significant digits of a fraction; a dash for nothing."""
    if value is None:
        return NOTHING
    if isinstance(value, int) or value == int(value):
        return f"{int(value):,}"
    plain = float(value)
    return f"{plain:,.4g}" if abs(plain) < 10_000 else f"{plain:,.0f}"


def percent(part: float | Decimal | None, whole: float | None = None) -> str:
    """Of a ratio, or of a part of a whole; a dash where there is none."""
    if part is None or whole == 0:
        return NOTHING
    ratio = float(part) if whole is None else float(part) / whole
    return f"{100 * ratio:.1f} %" if 0.001 <= ratio < 0.9995 or ratio == 0 else f"{100 * ratio:.4g} %"


def money(value: Decimal | float | None) -> str:
    """In US dollars, as exact as it is worth reading."""
    if value is None:
        return NOTHING
    return f"${value:,.2f}" if abs(float(value)) >= 10 else f"${value:,.4f}"


def time_text(value: datetime | None) -> str:
    """To the second, in UTC: the one clock of all pages."""
    return NOTHING if value is None else f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def age(value: datetime | None) -> str:
    """How long ago, in the largest unit that says something."""
    if value is None:
        return "never"
    seconds = (datetime.now(UTC) - value).total_seconds()
    if seconds < 0:
        return "in the future"
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size:,.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def shortened(value: object, most: int) -> str:
    """Its first characters, and how many there are more."""
    text = "" if value is None else str(value)
    return text if len(text) <= most else f"{text[:most]}… {len(text) - most:,} characters more"
