"""A dead letter's body with some fields changed; every other value stays byte for byte."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from prompt_worker.deadletters.kinds import EXECUTION, LONGEST, Kind
from prompt_worker.event.depth import check_depth
from prompt_worker.platform.failures import Failure

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
# Bytes of a value in JSON that is shown.
_LONGEST = 6 * LONGEST


class CorrectionError(Failure, ValueError):
    """A correction that cannot be made. Says what to do; holds none of the event's text."""

    exit_code = 65


def corrected(
    body: bytes, changes: Mapping[str, str], removed: Iterable[str] = (), kind: Kind = EXECUTION
) -> bytes:
    """Sets these fields in the body, each read as its field's type, and removes others. Raises `CorrectionError`."""
    try:
        fields = _fields(body)
    except (ValueError, RecursionError):
        raise CorrectionError(
            "it is not a JSON object: run the command without --set and --unset to correct the text in $EDITOR"
        ) from None
    for name, text in changes.items():
        fields[name] = msgspec.Raw(msgspec.json.encode(_value(name, text, kind)))
    for name in removed:
        if fields.pop(name, None) is None:
            raise CorrectionError(f"--unset {name}: the event has no such field")
    return msgspec.json.encode(fields)


def _value(name: str, text: str, kind: Kind) -> Any:
    if name not in kind.fields:
        raise CorrectionError(
            f"--set {name}: an event has no such field; its fields are: {', '.join(sorted(kind.fields))}"
        )
    try:
        if name in ("input_variables", "guardrail_violations"):
            return msgspec.Raw(text.encode()) if msgspec.json.decode(text) is not None else None
        value = msgspec.convert(text, kind.fields[name], strict=False)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise CorrectionError(f"--set {name}: {error}") from None
    return value if value is None or isinstance(value, int | float) else text


def pretty(body: bytes) -> str:
    """Indented JSON, or the text as it is where it is not JSON."""
    try:
        check_depth(body)
        return msgspec.json.format(body, indent=2).decode() + "\n"
    except (ValueError, RecursionError):
        return body.decode(errors="replace")


def changed_fields(before: bytes, after: bytes) -> list[str]:
    """The names of the fields that differ: those of `before` in their order, then the new ones."""
    was, now = _raw_fields(before), _raw_fields(after)
    names = [*was, *(name for name in now if name not in was)]
    return [name for name in names if was.get(name) != now.get(name)]


def difference(before: bytes, after: bytes, *, reveal: bool, kind: Kind = EXECUTION) -> list[str]:
    """The fields that differ, `- name: old value` and `+ name: new value`; texts hidden unless `reveal`."""
    was, now = _raw_fields(before), _raw_fields(after)
    return [
        f"{sign} {name}: {_shown(name, fields[name], reveal, kind)}"
        for name in changed_fields(before, after)
        for sign, fields in (("-", was), ("+", now))
        if name in fields
    ]


def _raw_fields(body: bytes) -> dict[str, bytes]:
    try:
        return {name: bytes(raw) for name, raw in _fields(body).items()}
    except (ValueError, RecursionError):
        return {"(not a JSON object)": body}


def _shown(name: str, raw: bytes, reveal: bool, kind: Kind) -> str:
    if reveal or (len(raw) <= _LONGEST and kind.shows(name, _read(raw))):
        return raw.decode(errors="replace")
    return f"(hidden, {len(raw):,} bytes: --reveal shows it)"


def _read(raw: bytes) -> object:
    """The value; a list where it is none, which is hidden."""
    try:
        return json.loads(raw, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        return []
