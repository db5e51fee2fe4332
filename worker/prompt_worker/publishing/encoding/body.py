"""The body of a message: any event as JSON that Pub/Sub and the worker accept."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

from msgspec import Struct
from msgspec.json import encode as to_json
from msgspec.structs import replace

from prompt_worker.event.depth import check_depth
from prompt_worker.event.execution import NO_VIOLATIONS, ExecutionEvent, encode
from prompt_worker.event.refusal import InvalidEventError
from prompt_worker.event.unit import recorded_unit
from prompt_worker.platform.pubsub.limits import MESSAGE_BYTES

Given = TypeVar("Given", bound=Struct)

# The rest is for attributes: ours, and those a dead letter gets.
BODY_LIMIT = MESSAGE_BYTES - 50_000
_TRUNCATED = "_truncated"
_TEXTS = ("rendered_prompt", "model_response", "error_message")
# Each with what is left when its content is left out.
_JSON_FIELDS: dict[str, Any] = {"input_variables": {}, "guardrail_violations": []}
# What the worker's reader and PostgreSQL hold whatever else is on their stacks; less where the caller's own is full.
_DEPTHS = (500, 50, 5)
# Bytes: no text is cut below this.
_KEPT = 1_000
# Bytes of JSON that one character needs at most.
_LONGEST_CHARACTER = 6


def make_body(event: ExecutionEvent) -> tuple[bytes, list[str]]:
    """The JSON of `event`, and the names of the fields that were cut to make it fit.

    What JSON cannot express has the form that `plain` gives it. `input_variables._truncated` names what was cut: the
    path of each text with its length before, in characters. A long `assignment_unit` is its hash. Raises
    `InvalidEventError` when it cannot fit, and AttributeError for what is no event.
    """
    unit = event.assignment_unit
    if isinstance(unit, str) and (recorded := recorded_unit(unit)) is not unit:
        event = replace(event, assignment_unit=recorded)
    body, fields = encode_or_plain(event, encode)
    return (body, []) if len(body) <= BODY_LIMIT else _cut(fields or _event_plain(event, _DEPTHS[0]))


def encode_or_plain(event: Given, encode: Callable[[Given], bytes]) -> tuple[bytes, dict[str, Any] | None]:
    """The JSON of an event, and its fields where it could not be encoded as they were.

    Raises `InvalidEventError`, and AttributeError for what is no event.
    """
    try:
        body = encode(event)
        check_depth(body)
    # What raises is one value of many, and its own code may raise anything.
    except Exception:
        return _plain_body(event)
    return body, None


def _plain_body(event: Struct) -> tuple[bytes, dict[str, Any]]:
    # Less deep where the caller's own stack leaves no room.
    for depth in _DEPTHS:
        try:
            fields = _event_plain(event, depth)
            return to_json(fields), fields
        except RecursionError:
            continue
    raise InvalidEventError("invalid_json", "no room on the stack to encode it")


def _event_plain(event: Struct, depth: int) -> dict[str, Any]:
    # Late: few services need it.
    from prompt_worker.publishing.encoding.plain import plain

    given = {name: getattr(event, name) for name in event.__struct_fields__}
    made = {name: plain(value, depth) for name, value in given.items() if value is not NO_VIOLATIONS}
    return {name: value for name, value in made.items() if value is not None}


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
