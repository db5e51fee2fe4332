"""Keys that became equal as text, as 1 and "1" do: JSON allows it, and PostgreSQL keeps the last alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from prompt_worker.event.execution import ReceivedEvent

_FIELDS = ("input_variables", "guardrail_violations")
_decode, _encode = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def with_unique_keys(body: bytes, event: ReceivedEvent) -> bytes:
    """`body`, of `event`, where no object of its JSON fields has the same key twice: the second gets a number."""
    changed = {}
    for name in _FIELDS:
        value = bytes(getattr(event, name))
        if value and not _is_as_short(value) and (made := _made_unique(value)) is not None:
            changed[name] = msgspec.Raw(made)
    return _encode(_fields(body) | changed) if changed else body


def _is_as_short(value: bytes) -> bool:
    """Whether nothing was lost when it was read, as a repeated key is; may be wrong for unusual numbers and spaces."""
    try:
        return len(_encode(_decode(value))) == len(value)
    except (ValueError, RecursionError):
        return False


def _made_unique(value: bytes) -> bytes | None:
    repeated = False

    def read(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        names = unique([name for name, _ in pairs])
        repeated = repeated or names != [name for name, _ in pairs]
        return dict(zip(names, (item for _, item in pairs), strict=True))

    try:
        made = json.loads(value, object_pairs_hook=read)
    except (ValueError, RecursionError):
        return None
    return _encode(made) if repeated else None


def unique(names: Sequence[str]) -> Sequence[str]:
    """The names, each of which occurs once: a repeated one gets a number."""
    if len(set(names)) == len(names):
        return names
    given, taken, made = set(names), set[str](), []
    for name in names:
        own, count = name, 1
        while own in taken or (count > 1 and own in given):
            count += 1
            own = f"{name} ({count})"
        taken.add(own)
        made.append(own)
    return made
