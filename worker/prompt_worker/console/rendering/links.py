"""Addresses of pages. They are paths, so that they hold behind any proxy; a name of any characters is in the query."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote, urlencode


def link(path: str, query: Mapping[str, object] | None = None, **more: object) -> str:
    """`path` with what is given; None and empty texts are left out."""
    given = {**(query or {}), **more}
    pairs = [(name, _text(value)) for name, value in given.items() if value is not None and value != ""]
    return f"{path}?{urlencode(pairs, quote_via=quote)}" if pairs else path


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
