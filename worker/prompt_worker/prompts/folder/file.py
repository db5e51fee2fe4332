"""The form of a `*.prompt` file: front matter in TOML between two lines of `+++`, then the text."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from typing import Any

import msgspec

from prompt_worker.prompts.content import (
    Content,
    Message,
    Translation,
    Variables,
    canonical_json,
    make_content,
    unix,
)
from prompt_worker.prompts.errors import Fault, TemplateFaultError
from prompt_worker.prompts.version import texts

# Of a file; a template in it has a limit of its own.
SIZE_LIMIT = 1_000_000
FENCE = "+++"
# Keys of more levels take Python's reader minutes.
_LONG_KEY = re.compile(r"^[ \t]*\[*[ \t]*[\w\"'-]+(?:[ \t]*\.[ \t]*[\w\"'-]+){20}", re.MULTILINE)
_AT = re.compile(r" \(at line (\d+), column (\d+)\)$")


class FrontMatter(msgspec.Struct, forbid_unknown_fields=True):
    """What a file says beside its text. `description` and `category` are for readers; all else is content.

    A text in place of variables, model_config or output_schema is JSON.
    """

    description: str | None = None
    category: str | None = None
    variables: Variables | str = []
    # Of the model, such as temperature.
    model_config: dict[str, Any] | str = {}
    output_schema: dict[str, Any] | str | None = None
    messages: list[Message] | None = None
    translations: dict[str, str | list[Message]] = {}


@dataclass(frozen=True)
class PromptFile:
    """A file that was read. `body_at` is where its text begins in `source`."""

    source: str
    body_at: int
    front: FrontMatter
    content: Content

    def located(self, error: TemplateFaultError) -> Fault:
        """Where in the file the fault of one of its texts is."""
        fault = error.fault
        start = self.body_at if not error.part else self._start_of(error.part)
        if not fault.line:
            return fault if not error.part else Fault(f"{error.part}: {fault.message}")
        if start < 0:
            # A text with escapes: its own line is all that is known.
            return Fault(f"{error.part}: {fault}")
        line = self.source.count("\n", 0, start)
        column = fault.column + (start - self.source.rfind("\n", 0, start) - 1 if fault.line == 1 else 0)
        return Fault(fault.message, line + fault.line, column)

    def _start_of(self, part: str) -> int:
        for name, _, text in texts(self.content):
            found = (
                {name: text}
                if isinstance(text, str)
                else {f"{name or 'messages'}[{at}]": message.content for at, message in enumerate(text)}
            )
            if written := found.get(part):
                return self.source.find(written)
        return -1


def read_file(raw: bytes) -> PromptFile:
    """Raises `TemplateFaultError` whose fault has the file's lines."""
    if len(raw) > SIZE_LIMIT:
        raise _fault(f"it has {len(raw):,} bytes: at most {SIZE_LIMIT:,} are allowed in a file")
    try:
        source = unix(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _fault("not UTF-8: save it in this encoding", line, 1) from None
    written, body_at = _split(source)
    front = _front_matter(written)
    body = source[body_at:]
    if front.messages is not None and not front.messages:
        raise _fault("a chat has at least one message", *_place(written, "messages"))
    if front.messages is not None and body.strip():
        line = source.count("\n", 0, body_at) + 1
        raise _fault("a chat has its text in messages: nothing may follow the front matter", line, 1)
    translations: dict[str, Translation] = {
        language: text if isinstance(text, str) else tuple(text)
        for language, text in front.translations.items()
    }
    content = make_content(
        body,
        None if front.messages is None else tuple(front.messages),
        translations,
        variables=_json(written, "variables", front.variables, Variables),
        model_config=_json(written, "model_config", front.model_config, dict[str, Any]),
        output_schema=_json(written, "output_schema", front.output_schema, dict[str, Any]),
    )
    for name in ("variables", "model_config", "output_schema"):
        try:
            canonical_json(getattr(content, name))
        except (ValueError, RecursionError):
            raise _fault(
                f"{name} holds a date, or something else that JSON does not have", *_place(written, name)
            ) from None
    return PromptFile(source, body_at, front, content)


def _split(source: str) -> tuple[str, int]:
    """The front matter, and where the text begins."""
    if not source.startswith(f"{FENCE}\n"):
        return "", 0
    end = source.find(f"\n{FENCE}\n", len(FENCE))
    if end < 0:
        if source.endswith(f"\n{FENCE}"):
            return source[len(FENCE) + 1 : -len(FENCE)], len(source)
        raise _fault(f"the front matter has no end: close it with a line of {FENCE}", 1, 1)
    return source[len(FENCE) + 1 : end + 1], end + len(FENCE) + 2


def _front_matter(written: str) -> FrontMatter:
    if (found := _LONG_KEY.search(written)) is not None:
        raise _fault("a key has too many levels", written.count("\n", 0, found.start()) + 2, 1)
    try:
        return msgspec.convert(tomllib.loads(written), FrontMatter)
    except tomllib.TOMLDecodeError as error:
        # What it says may quote the file.
        found = _AT.search(str(error))
        line, column = map(int, found.groups()) if found else (written.count("\n"), 1)
        raise _fault("the front matter is not valid TOML here", line + 1, column) from None
    except RecursionError:
        raise _fault("the front matter is nested too deeply", 1, 1) from None
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        key = re.search(r"unknown field `(.*)`", message) or re.match(r"\.(\w+)", path)
        if "Invalid enum value" in message:
            message = "the roles are system, developer, user and assistant"
        raise _fault(
            f"the front matter: {message[0].lower()}{message[1:]}", *_place(written, key[1] if key else "")
        ) from None


def _json(written: str, key: str, given: Any, kind: Any) -> Any:
    """`given`, or what its JSON says."""
    if not isinstance(given, str):
        return given
    try:
        value = json.loads(given)
        # Halves of a character are none.
        json.dumps(value, ensure_ascii=False).encode()
        return msgspec.convert(value, kind)
    except (ValueError, RecursionError):
        raise _fault(f"{key} is a text, and not one that is the JSON of it", *_place(written, key)) from None


def _place(written: str, key: str) -> tuple[int, int]:
    """Line and column, in the file, of a key of the front matter."""
    found = re.search(rf"^\s*\[*\s*\"?({re.escape(key)})\b", written, re.MULTILINE) if key else None
    if found is None:
        return 1, 1
    start = found.start(1)
    return written.count("\n", 0, start) + 2, start - written.rfind("\n", 0, start)


def _fault(message: str, line: int = 0, column: int = 0) -> TemplateFaultError:
    return TemplateFaultError(Fault(message, line, column))
