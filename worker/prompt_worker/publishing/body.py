"""The body of a message: any event as JSON that Pub/Sub and the worker accept."""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from msgspec import Raw, to_builtins
from msgspec.json import encode as to_json

from prompt_worker.event.execution import ExecutionEvent, InvalidEventError, encode
from prompt_worker.platform.pubsub.limits import MESSAGE_BYTES

# The rest is for attributes: ours, and those a dead letter gets.
BODY_LIMIT = MESSAGE_BYTES - 50_000
_TRUNCATED = "_truncated"
_TEXTS = ("rendered_prompt", "model_response", "error_message")
# Each with what is left when its content is left out.
_JSON_FIELDS: dict[str, Any] = {"input_variables": {}, "guardrail_violations": []}
_SURROGATE = re.compile("[\ud800-\udfff]")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
# Bytes: no text is cut below this.
_KEPT = 1_000
# Bytes of JSON that one character needs at most.
_LONGEST_CHARACTER = 6


def make_body(event: ExecutionEvent) -> tuple[bytes, list[str]]:
    """The JSON of `event`, and the names of the fields that were cut to make it fit.

    Lone surrogates become U+FFFD, NaN and infinities null, values that JSON cannot express their `str()`.
    `input_variables._truncated` names what was cut: the path of each text with its length before, in characters.
    Raises `InvalidEventError` when it cannot fit, and whatever encoding a value raises.
    """
    fields: dict[str, Any] | None = None
    try:
        body = encode(event)
    except (TypeError, UnicodeEncodeError):
        fields = _event_plain(event)
        body = to_json(fields)
    return (body, []) if len(body) <= BODY_LIMIT else _cut(fields or _event_plain(event))


def _plain(value: Any) -> Any:
    """`value` made of dict, list, str, int, float, bool and None only, as JSON in UTF-8 can hold them."""
    made: Any = value
    match value:
        case None | bool() | int():
            pass
        case str():
            made = _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", _PAIR.sub(_join, value))
        case float():
            made = value if math.isfinite(value) else None
        case dict():
            made = {
                _plain(key if isinstance(key, str) else str(key)): _plain(item) for key, item in value.items()
            }
        case list() | tuple() | set() | frozenset():
            made = [_plain(item) for item in value]
        case Raw():
            # msgspec would round integers beyond 64 bits.
            made = json.loads(bytes(value))
        case _:
            try:
                made = _plain(to_builtins(value))
            except TypeError:
                made = _plain(str(value))
    return made


def _join(pair: re.Match[str]) -> str:
    return pair[0].encode("utf-16", "surrogatepass").decode("utf-16")


def _event_plain(event: ExecutionEvent) -> dict[str, Any]:
    values = ((name, getattr(event, name)) for name in event.__struct_fields__)
    return {name: _plain(value) for name, value in values if value not in (None, Raw(b""))}


class _Text(NamedTuple):
    """One text in its container, so that it can be cut in place."""

    container: Any
    key: Any
    path: str

    def size(self) -> int:
        return len(to_json(self.container[self.key]))


def _cut(fields: dict[str, Any]) -> tuple[bytes, list[str]]:
    """Cuts the longest texts first, all of them to one size; then long strings of the variables; then all of those."""
    lengths: dict[str, int] = {}
    named = [_Text(fields, name, name) for name in _TEXTS if isinstance(fields.get(name), str)]
    for texts in (named, list(_texts(fields["input_variables"], "input_variables"))):
        # Once for the texts, and again when the note of what was cut has itself grown too long.
        while (excess := _excess(fields, lengths)) > 0 and _cut_texts(texts, excess, lengths):
            pass
    rest = {name: to_json(fields[name]).decode() for name in _JSON_FIELDS if name in fields}
    for name in sorted(rest, key=lambda name: len(rest[name]), reverse=True):
        if _excess(fields, lengths) > 0:
            lengths = {path: length for path, length in lengths.items() if not path.startswith(name)}
            lengths[name] = len(rest[name])
            fields[name] = _JSON_FIELDS[name]
    body = to_json(_noted(fields, lengths))
    if len(body) > BODY_LIMIT:
        raise InvalidEventError("too_large", f"More than {BODY_LIMIT:,} bytes without its longest texts")
    return body, sorted({path.partition(".")[0] for path in lengths})


def _texts(value: Any, path: str) -> Iterator[_Text]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if isinstance(item, str) and len(item) > _KEPT // _LONGEST_CHARACTER:
            yield _Text(value, key, f"{path}.{key}")
        else:
            yield from _texts(item, f"{path}.{key}")


def _cut_texts(texts: list[_Text], excess: int, lengths: dict[str, int]) -> bool:
    """Removes `excess` bytes from the longest of `texts`; False when none can be cut any further."""
    sizes = sorted((text.size() for text in texts), reverse=True)
    limit, freed = _KEPT, 0
    for count, (size, following) in enumerate(pairwise([*sizes, _KEPT]), start=1):
        freed += count * (size - max(following, _KEPT))
        if freed >= excess:
            limit = max(following, _KEPT) + (freed - excess) // count
            break
    longer = [text for text in texts if text.size() > limit]
    for container, key, path in longer:
        lengths.setdefault(path, len(container[key]))
        container[key] = _prefix(container[key], limit)
    return bool(longer)


def _prefix(text: str, limit: int) -> str:
    """The longest beginning of `text` that is at most `limit` bytes of JSON."""
    lengths = range(min(len(text), limit) + 1)
    return text[: bisect_right(lengths, limit, key=lambda length: len(to_json(text[:length]))) - 1]


def _excess(fields: dict[str, Any], lengths: dict[str, int]) -> int:
    return len(to_json(_noted(fields, lengths))) - BODY_LIMIT


def _noted(fields: dict[str, Any], lengths: dict[str, int]) -> dict[str, Any]:
    return {**fields, "input_variables": {**fields["input_variables"], _TRUNCATED: lengths}}
