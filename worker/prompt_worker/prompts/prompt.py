"""What a service gets: a prompt of one version in one language, and what becomes of it with variables."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal, NamedTuple
from uuid import UUID

import msgspec

from prompt_worker.prompts.body import Body
from prompt_worker.prompts.errors import PromptReferenceError, short
from prompt_worker.prompts.variables import Declared

Source = Literal["live", "disk", "builtin"]
# Of a built-in prompt that took the place of a live one: of the same number there may be another text in the registry.
_BUILTIN = "+builtin"
_REF = re.compile(
    r"(?P<name>.+)@(?P<version>[1-9][0-9]{0,9})(:(?P<language>[A-Za-z0-9-]+))?(?P<builtin>\+builtin)?",
    re.DOTALL,
)
_NONE: Mapping[str, Any] = {}


class Freshness:
    """When a source last said that what it gave is current; of the clock that never jumps."""

    __slots__ = ("_at",)

    def __init__(self, age: float = 0.0) -> None:
        self.confirm(age)

    def confirm(self, age: float = 0.0) -> None:
        """`age`: how many seconds ago it said so."""
        self._at = time.monotonic() - age

    def age(self) -> float:
        """Seconds."""
        return time.monotonic() - self._at


class Rendered(msgspec.Struct, frozen=True):
    """`text` is all of it, of a chat the texts of its messages; `messages` is None where it is no chat.

    `variables` are those that were given, as plain JSON.
    """

    text: str
    messages: list[dict[str, Any]] | None
    variables: dict[str, Any]

    def __repr__(self) -> str:
        return f"<Rendered of {len(self.text):,} characters>"


class Enrolment(NamedTuple):
    """In which experiment or rollout, by which phase, a prompt is served; it assigns by users or by sessions.

    `group` is the arm; None of a unit outside of the arms, and where there is no unit.
    """

    experiment_id: UUID
    phase: int
    unit_kind: Literal["user", "session"]
    group: str | None


class Prompt(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One version, as it is served. `ref` names exactly this one, for a later turn or another process."""

    name: str
    version: int
    template_id: UUID | None
    # The arm, of an experiment or rollout.
    group: str | None
    enrolment: Enrolment | None
    # Of the text that is served; None where it is the version's own.
    language: str | None
    source: Source
    # Of the registry that it came from; None for a built-in one.
    revision: int | None
    content_sha256: str
    # Why this version: `experiment` or `rollout`, an arm has it; `production`, the active one; `label:NAME`; `rule:N`,
    # the Nth of its name; `pinned`, asked for by its number or a ref; `builtin:` and why there is no live one.
    reason: str
    ref: str
    body_: Body
    # As its author wrote it, for what tells it from the values.
    text_: str
    declared_: Declared
    # Decoded for each reader: what one changes is not another's.
    variables_: bytes
    model_config_: bytes
    freshness_: Freshness | None = None

    @property
    def experiment_id(self) -> UUID | None:
        """Of the experiment or rollout on this prompt, also where the unit is in none of its arms."""
        return None if self.enrolment is None else self.enrolment.experiment_id

    @property
    def age_seconds(self) -> float | None:
        """Since its registry last said that this is what to serve; None for a built-in one."""
        return None if self.freshness_ is None else self.freshness_.age()

    @property
    def variables(self) -> Any:
        """As declared: a list of names, or an object of their kinds."""
        return msgspec.json.decode(self.variables_)

    @property
    def model_config(self) -> dict[str, Any]:
        """What the model is called with; a copy of its own for each reader."""
        decoded: dict[str, Any] = msgspec.json.decode(self.model_config_)
        return decoded

    def render(self, variables: Mapping[str, Any] = _NONE) -> Rendered:
        """Raises `VariablesError` for variables that do not fit, and `RenderError`."""
        given, complete = self.declared_.checked(self.ref, variables)
        text, messages = self.body_.render(self.ref, complete)
        return Rendered(text, messages, given)

    def __repr__(self) -> str:
        return f"<Prompt {short(self.ref)}>"


class Reference(NamedTuple):
    """What a `ref` says."""

    name: str
    version: int
    language: str | None
    builtin: bool


def make_ref(name: str, version: int, language: str | None, *, builtin: bool = False) -> str:
    """`builtin`: it took the place of a live one."""
    pinned = f"{name}@{version}:{language}" if language else f"{name}@{version}"
    return pinned + _BUILTIN if builtin else pinned


def read_ref(ref: str) -> Reference:
    """Raises `PromptReferenceError`."""
    if not isinstance(ref, str):
        raise PromptReferenceError("not a ref: pass what the `ref` of a prompt was")
    return _read_ref(ref)


# A conversation has the same one at each turn.
@lru_cache(maxsize=4096)
def _read_ref(ref: str) -> Reference:
    found = _REF.fullmatch(ref)
    if found is None:
        raise PromptReferenceError("not a ref: pass what the `ref` of a prompt was")
    return Reference(found["name"], int(found["version"]), found["language"], found["builtin"] is not None)
