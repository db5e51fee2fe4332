"""What can go wrong with a prompt. Messages say what to do next; none holds a prompt's text or a variable's value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prompt_worker.platform.failures import Failure

# Of names that an error quotes: as many, and as long.
_NAMES = 10
_NAME_LENGTH = 100


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a prompt's source. Line and column count from 1; 0: the whole of it."""

    message: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.message}" if self.line else self.message


class PromptError(Failure):
    """Of all errors of a prompt service."""

    exit_code = 65


class UnknownPromptError(PromptError):
    """There is no prompt of this name, or none that can be used."""

    exit_code = 66


class PromptBlockedError(PromptError):
    """No model may be called: an owner has blocked the prompt, or a guardrail what it became."""

    exit_code = 65


class VersionGoneError(PromptError):
    """The prompt exists, the version that was asked for does not: never another one in its place."""

    exit_code = 66


class PromptReferenceError(PromptError):
    """A `ref` that no service gave, or one of another prompt."""

    exit_code = 64


class VariablesError(PromptError):
    """Variables that the prompt cannot be rendered with: what is missing, unexpected, or of another kind."""

    exit_code = 64

    def __init__(
        self,
        prompt: str,
        *,
        missing: Iterable[str] = (),
        unexpected: Iterable[str] = (),
        invalid: Sequence[str] = (),
    ) -> None:
        self.missing, self.unexpected = tuple(sorted(missing)), tuple(sorted(unexpected))
        self.invalid = tuple(invalid)
        found = [
            *([f"missing: {names(self.missing)}"] if self.missing else ()),
            *([f"unexpected: {names(self.unexpected)}"] if self.unexpected else ()),
            *self.invalid[:_NAMES],
        ]
        super().__init__(f"{short(prompt)} cannot be rendered with these variables: {'; '.join(found)}")


class RenderError(PromptError):
    """The template failed over these variables, or reached a limit."""


class RenderLimitError(RenderError):
    """The rendering costs more work, or makes a longer text, than a prompt may."""


class TemplateFaultError(PromptError):
    """A version that cannot be compiled; `fault` says where and why, `part` in which of its texts ("": its own)."""

    def __init__(self, fault: Fault, part: str = "") -> None:
        super().__init__(f"{part}, {fault}" if part else str(fault))
        self.fault = fault
        self.part = part


class SourceError(PromptError):
    """A registry that does not answer, or not as one. Its message holds no password and no token."""

    exit_code = 69


class FolderError(PromptError):
    """A folder of built-in prompts that cannot be read."""

    exit_code = 66


def names(given: Sequence[str]) -> str:
    """The first of them on one line, and how many more there are."""
    more = len(given) - _NAMES
    return ", ".join(map(short, given[:_NAMES])) + (f" and {more:,} more" if more > 0 else "")


def short(name: object) -> str:
    """A name as an error quotes it: on one line, and not endless."""
    text = "".join(character if character.isprintable() else " " for character in str(name))
    return text if len(text) <= _NAME_LENGTH else f"{text[:_NAME_LENGTH]}…"
