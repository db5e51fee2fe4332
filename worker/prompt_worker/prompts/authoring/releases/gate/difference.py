"""What differs between two contents, part by part, as lines of a unified diff."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from typing import Any

import msgspec

from prompt_worker.prompts.content import Content, Messages, Translation

# Of lines against lines; beyond it the parts that differ are replaced as a whole.
_WORK_LIMIT = 4_000_000
_UNENDED = "\\ no newline at the end"
_CONTEXT = 3


class Change(msgspec.Struct, frozen=True):
    """One part that differs. Lines begin with `-`, `+` or a space, `@@` or a backslash, as those of a unified diff."""

    part: str
    lines: list[str]


def difference(before: Content | None, after: Content | None) -> list[Change]:
    """Empty for contents of the same hash. None has no part."""
    parts = _parts(before), _parts(after)
    names = list(dict.fromkeys([*parts[0], *parts[1]]))
    found = ((name, *(part.get(name, "") for part in parts)) for name in names)
    return [Change(name, list(text_difference(old, new))) for name, old, new in found if old != new]


def text_difference(before: str, after: str) -> Iterator[str]:
    """The lines of a unified diff, without its two lines of names."""
    old, new = before.split("\n"), after.split("\n")
    # A text that ends its last line has nothing after it.
    ends = [text.endswith("\n") or not text for text in (before, after)]
    if ends[0]:
        old.pop()
    if ends[1]:
        new.pop()
    if not ends[0]:
        old[-1] += f"\n{_UNENDED}"
    if not ends[1]:
        new[-1] += f"\n{_UNENDED}"
    for line in _unified(old, new):
        yield from line.split("\n")


def _unified(old: list[str], new: list[str]) -> Iterator[str]:
    if len(old) * len(new) > _WORK_LIMIT:
        start = 0
        while start < min(len(old), len(new)) and old[start] == new[start]:
            start += 1
        end = 0
        while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
            end += 1
        old, new = old[start : len(old) - end], new[start : len(new) - end]
        if len(old) * len(new) > _WORK_LIMIT:
            yield f"@@ -{start + 1},{len(old)} +{start + 1},{len(new)} @@"
            yield from (f"-{line}" for line in old)
            yield from (f"+{line}" for line in new)
            return
    lines = difflib.unified_diff(old, new, n=_CONTEXT, lineterm="")
    yield from (line for at, line in enumerate(lines) if at > 1)


def _parts(content: Content | None) -> dict[str, str]:
    """Each with its name, as text that people compare."""
    if content is None:
        return {}
    parts = {
        "text" if content.messages is None else "messages": _readable(
            content.messages or content.template_text
        )
    }
    for name in ("variables", "model_config", "output_schema"):
        if value := getattr(content, name):
            parts[name] = _pretty(value)
    for language, translation in sorted(content.translations.items()):
        parts[f"translations.{language}"] = _readable(translation)
    return parts


def _readable(text: Translation) -> str:
    return text if isinstance(text, str) else _chat(text)


def _chat(messages: Messages) -> str:
    return "".join(
        f"[{message.role}]\n{message.content}\n"
        if message.history is None
        else f"[history {message.history}]\n"
        for message in messages
    )


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
