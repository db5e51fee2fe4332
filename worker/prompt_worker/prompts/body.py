"""The compiled texts of one version in one language: one text, or the messages of a chat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prompt_worker.prompts.content import BETWEEN_MESSAGES, Translation
from prompt_worker.prompts.errors import TemplateFaultError, VariablesError, short
from prompt_worker.prompts.template.bounds import Budget
from prompt_worker.prompts.template.including import Lookup
from prompt_worker.prompts.template.template import Template, compile_template
from prompt_worker.prompts.template.usage import Usage

# What a conversation holds; a user's text that is stored as another role must not instruct the model.
_TURNS = frozenset({"user", "assistant", "tool"})

Rendering = tuple[str, list[dict[str, Any]] | None]


class Body:
    """Raises `TemplateFaultError` for a text that cannot be compiled; `part` names the texts in it."""

    def __init__(self, text: Translation, lookup: Lookup, ref: str, part: str = "") -> None:
        self._part = part
        self._text: Template | None = None
        self._messages: list[tuple[str, Template | None]] = []
        if isinstance(text, str):
            self._text = _compiled(text, lookup, ref, part)
            return
        for at, message in enumerate(text):
            if message.history is not None:
                self._messages.append((message.history, None))
            else:
                content = _compiled(message.content or "", lookup, ref, _message_part(part, at))
                self._messages.append((message.role or "", content))

    def templates(self) -> Iterator[tuple[str, Template]]:
        """Each with its part."""
        if self._text is not None:
            yield self._part, self._text
        for at, (_, template) in enumerate(self._messages):
            if template is not None:
                yield _message_part(self._part, at), template

    def usages(self) -> Iterator[tuple[str, Usage]]:
        """What each part reads."""
        yield from ((part, template.usage) for part, template in self.templates())
        for at, (name, template) in enumerate(self._messages):
            if template is None:
                # A chat may be at its first turn.
                yield _message_part(self._part, at), Usage(frozenset(), frozenset({name}), {})

    def render(self, label: str, variables: dict[str, Any]) -> Rendering:
        """The text, and the messages of a chat. Each content alone, so that no value begins a message."""
        budget = Budget()
        if self._text is not None:
            return self._text.render(label, variables, budget), None
        messages: list[dict[str, Any]] = []
        for name, template in self._messages:
            if template is None:
                messages += _turns(label, name, variables[name])
            else:
                messages.append({"role": name, "content": template.render(label, variables, budget)})
        texts = [message["content"] for message in messages if isinstance(message.get("content"), str)]
        return BETWEEN_MESSAGES.join(texts), messages


def _message_part(part: str, at: int) -> str:
    return f"{part or 'messages'}[{at}]"


def _compiled(text: str, lookup: Lookup, ref: str, part: str) -> Template:
    try:
        return compile_template(text, lookup, ref)
    except TemplateFaultError as error:
        raise TemplateFaultError(error.fault, part) from None


def _turns(label: str, name: str, turns: Any) -> list[dict[str, Any]]:
    """Earlier messages, which are data: nothing in them is rendered."""
    if not turns:
        return []
    fits = isinstance(turns, list) and all(
        isinstance(turn, dict) and turn.get("role") in _TURNS and "content" in turn for turn in turns
    )
    if not fits:
        roles = ", ".join(sorted(_TURNS))
        raise VariablesError(
            label, invalid=[f"{short(name)}: expected messages with content and one of the roles {roles}"]
        )
    return list(turns)
