"""A dead letter's body with some fields changed; every other byte of its values stays."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from prompt_worker.deadletters.letter import LONGEST, SHOWN
from prompt_worker.event.execution import ExecutionEvent
from prompt_worker.platform.failures import Failure

_TYPES = typing.get_type_hints(ExecutionEvent, include_extras=True)
FIELDS = frozenset(_TYPES)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class CorrectionError(Failure, ValueError):
    """What was asked for cannot be made. Says what to do; holds none of the event's text."""

    exit_code = 65


def corrected(body: bytes, changes: Mapping[str, str], removed: Iterable[str] = ()) -> bytes:
    """The body with these fields set, each read as its field's type, and others removed. Raises `CorrectionError`."""
    try:
        fields = _fields(body)
    except (ValueError, RecursionError):
        raise CorrectionError(
            "it is not a JSON object: leave --set away to correct the text in $EDITOR"
        ) from None
    for name, text in changes.items():
        fields[name] = msgspec.Raw(msgspec.json.encode(_value(name, text)))
    for name in removed:
        if fields.pop(name, None) is None:
            raise CorrectionError(f"--unset {name}: the event has no such field")
    return msgspec.json.encode(fields)


def _value(name: str, text: str) -> Any:
    if name not in _TYPES:
        raise CorrectionError(
            f"--set {name}: an event has no such field; there are: {', '.join(sorted(_TYPES))}"
        )
    try:
        if name in ("input_variables", "guardrail_violations"):
            return msgspec.Raw(text.encode()) if msgspec.json.decode(text) is not None else None
        value = msgspec.convert(text, _TYPES[name], strict=False)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise CorrectionError(f"--set {name}: {error}") from None
    return value if value is None or isinstance(value, int) else text


def pretty(body: bytes) -> str:
    """As JSON of many lines, or the text as it is where it is none."""
    try:
        return msgspec.json.format(body, indent=2).decode() + "\n"
    except (ValueError, RecursionError):
        return body.decode(errors="replace")


def difference(before: bytes, after: bytes, *, reveal: bool) -> list[str]:
    """The fields that differ, `- name: as it was` and `+ name: as it is`; texts hidden unless `reveal`."""
    was, now = _raw_fields(before), _raw_fields(after)
    lines = []
    for name in [*was, *(name for name in now if name not in was)]:
        if was.get(name) != now.get(name):
            lines += [
                f"{sign} {name}: {_shown(name, fields[name], reveal)}"
                for sign, fields in (("-", was), ("+", now))
                if name in fields
            ]
    return lines


def _raw_fields(body: bytes) -> dict[str, bytes]:
    try:
        return {name: bytes(raw) for name, raw in _fields(body).items()}
    except (ValueError, RecursionError):
        return {"(no JSON object)": body}


def _shown(name: str, raw: bytes, reveal: bool) -> str:
    if reveal or (name in SHOWN and len(raw) <= LONGEST):
        return raw.decode(errors="replace")
    return f"(hidden, {len(raw):,} bytes: --reveal shows it)"
