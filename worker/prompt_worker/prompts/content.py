"""The content of one version of a prompt, and the hash that names it."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Literal

import msgspec

Role = Literal["system", "developer", "user", "assistant"]
# Between the texts of messages where one text is needed, as in `rendered_prompt`.
BETWEEN_MESSAGES = "\n\n"
_NEWLINE = re.compile(r"\r\n?")


class Message(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One message of a chat: a role and a template of its own; or `history`, the variable that holds earlier turns."""

    role: Role | None = None
    content: str | None = None
    history: str | None = None

    def __post_init__(self) -> None:
        given = self.role is not None, self.content is not None, self.history is not None
        if given not in ((True, True, False), (False, False, True)):
            raise ValueError("expected role and content, or history")


Messages = tuple[Message, ...]
Translation = str | Messages
Variables = list[str] | dict[str, Any]


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """All that decides what is sent to a model. `translations` are by language (BCP 47)."""

    template_text: str
    messages: Messages | None = None
    variables: Variables = msgspec.field(default_factory=list)
    model_config: dict[str, Any] = msgspec.field(default_factory=dict)
    output_schema: dict[str, Any] | None = None
    translations: dict[str, Translation] = msgspec.field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """64 hex digits: SHA-256 of the canonical JSON of these six fields."""
        fields = {name: _plain(getattr(self, name)) for name in self.__struct_fields__}
        return hashlib.sha256(canonical_json(fields).encode()).hexdigest()


def make_content(
    text: str, messages: Messages | None, translations: dict[str, Translation], **fields: Any
) -> Content:
    """With every line ended by a line feed alone. Of a chat, `template_text` is the text of its messages."""
    if messages is not None:
        messages = tuple(map(_unix_message, messages))
        text = joined_text(messages)
    return Content(
        template_text=unix(text),
        messages=messages,
        translations={
            language: unix(each) if isinstance(each, str) else tuple(map(_unix_message, each))
            for language, each in translations.items()
        },
        **fields,
    )


def joined_text(messages: Messages) -> str:
    """The text of the messages for those who read one text."""
    return BETWEEN_MESSAGES.join(message.content for message in messages if message.content is not None)


def unix(text: str) -> str:
    return _NEWLINE.sub("\n", text)


def _unix_message(message: Message) -> Message:
    if message.content is None:
        return message
    return msgspec.structs.replace(message, content=unix(message.content))


def canonical_json(value: Any) -> str:
    """One text for equal values: keys in the order of their code points, no spaces, UTF-8, numbers without an exponent.

    What JSON writes as 1.0, 1 or 1e0 is `1`, so that PostgreSQL's jsonb, which keeps numbers as decimals, gives the
    same hash. Raises ValueError for what JSON cannot hold.
    """
    return "".join(_canonical(value))


def _canonical(value: Any) -> Iterator[str]:
    match value:
        case dict():
            yield "{"
            for at, key in enumerate(sorted(value)):
                yield f"{',' if at else ''}{json.dumps(key, ensure_ascii=False)}:"
                yield from _canonical(value[key])
            yield "}"
        case list() | tuple():
            yield "["
            for at, item in enumerate(value):
                yield "," if at else ""
                yield from _canonical(item)
            yield "]"
        case bool() | None | str():
            yield json.dumps(value, ensure_ascii=False)
        case int() | float() if math.isfinite(value):
            yield _number(value)
        case _:
            raise ValueError(f"not JSON: {type(value).__name__}")


def _number(value: float) -> str:
    if not value:
        return "0"
    whole = f"{Decimal(repr(value)):f}"
    return whole.rstrip("0").rstrip(".") if "." in whole else whole


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)
