"""A version as a `*.prompt` file that reads back as the very same content."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from prompt_worker.prompts.content import Content
from prompt_worker.prompts.errors import PromptError, TemplateFaultError
from prompt_worker.prompts.folder.file import FENCE, read_file

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
# What a literal of several lines cannot hold: its own end, and control characters.
_NOT_LITERAL = re.compile(r"'''|'\Z|[\x00-\x08\x0b-\x1f\x7f]")
# Control characters that JSON leaves as they are and TOML does not.
_DELETE = "\x7f"


class UnwritableError(PromptError):
    """A version that no file can hold, such as one with a byte order mark in front."""


def write_file(content: Content, *, description: str | None = None, category: str | None = None) -> bytes:
    """Raises `UnwritableError` where it would not read back with the same hash."""
    lines = [
        *(f"{name} = {_text(value)}" for name, value in _about(description, category)),
        *_front_matter(content),
    ]
    written = "".join(f"{line}\n" for line in lines)
    body = "" if content.messages is not None else content.template_text
    raw = f"{FENCE}\n{written}{FENCE}\n{body}".encode()
    try:
        same = read_file(raw).content.sha256 == content.sha256
    except TemplateFaultError as error:
        raise UnwritableError(f"it cannot be written as a file: {error}") from None
    if not same:
        raise UnwritableError("it cannot be written as a file: what is read back differs")
    return raw


def _about(description: str | None, category: str | None) -> Iterator[tuple[str, str]]:
    if description is not None:
        yield "description", description
    if category is not None:
        yield "category", category


def _front_matter(content: Content) -> Iterator[str]:
    """Values before tables, as TOML has them."""
    tables: list[str] = []
    for name in ("variables", "model_config", "output_schema"):
        value = getattr(content, name)
        if value == {} and name != "model_config":
            # Not what is meant where it is left out.
            yield f"{name} = {{}}"
        elif not value:
            continue
        elif not _is_toml(value):
            yield f"{name} = {_text(json.dumps(value, ensure_ascii=False, indent=1) + chr(10))}"
        elif isinstance(value, dict):
            tables += ["", f"[{name}]", *(f"{_key(key)} = {_value(item)}" for key, item in value.items())]
        else:
            yield f"{name} = {_value(value)}"
    for message in content.messages or ():
        tables += ["", "[[messages]]"]
        tables += [f"{key} = {_text(value)}" for key, value in msgspec.to_builtins(message).items()]
    if content.translations:
        tables += ["", "[translations]"]
        for language, text in content.translations.items():
            plain = text if isinstance(text, str) else msgspec.to_builtins(text)
            tables.append(f"{_key(language)} = {_text(plain) if isinstance(plain, str) else _value(plain)}")
    yield from tables


def _is_toml(value: Any) -> bool:
    """Whether TOML has all of it: it has no null, and numbers of 64 bits."""
    if isinstance(value, Mapping):
        return all(map(_is_toml, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_toml, value))
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return value is not None


def _value(value: Any) -> str:
    """On one line."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return _quoted(value) if isinstance(value, str) else json.dumps(value)


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _quoted(key)


def _text(text: str) -> str:
    """On lines of its own where it has some."""
    if "\n" not in text or _NOT_LITERAL.search(text) or f"\n{FENCE}\n" in f"\n{text}\n":
        return _quoted(text)
    # A line feed after the quotes is none of the text.
    return f"'''\n{text}'''"


def _quoted(text: str) -> str:
    """JSON's quotes and escapes are TOML's, too."""
    return json.dumps(text, ensure_ascii=False).replace(_DELETE, "\\u007f")
