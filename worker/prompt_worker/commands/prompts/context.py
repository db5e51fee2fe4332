"""`KEY=VALUE` on a command line: one entry of a context, or what a rule asks of it."""

from __future__ import annotations

import argparse
import json
from typing import Any


def context_entry(text: str) -> tuple[str, Any]:
    """As argparse reads one: the value is JSON where it is, else a text."""
    key, sign, value = text.partition("=")
    if not (key and sign):
        raise argparse.ArgumentTypeError(f"{text}: expected KEY=VALUE")
    try:
        return key, json.loads(value)
    except (ValueError, RecursionError):
        return key, value
