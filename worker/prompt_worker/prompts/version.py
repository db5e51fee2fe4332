"""One version of a prompt: as a source stores it, and compiled with each of its languages."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol
from uuid import UUID

import msgspec

from prompt_worker.prompts.body import Body
from prompt_worker.prompts.content import Content, Translation, joined_text
from prompt_worker.prompts.errors import Fault, TemplateFaultError, short
from prompt_worker.prompts.languages import chain, is_language
from prompt_worker.prompts.prompt import Enrolment, Freshness, Prompt, Source, make_ref
from prompt_worker.prompts.template.including import Lookup
from prompt_worker.prompts.variables import Declared

# Another thread that compiles the same version is not waited for longer than any version needs: one that a fork left
# behind never ends.
_COMPILING_SECONDS = 1.0


class Given(Protocol):
    """A version as a source gives it: read, or still to be read."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def is_active(self) -> bool: ...
    @property
    def template_id(self) -> UUID | None: ...
    @property
    def group(self) -> str | None: ...
    @property
    def sha256(self) -> str: ...

    def read(self) -> Stored:
        """Raises `TemplateFaultError`."""


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """One version that was read. The active one is what a name alone means."""

    name: str
    version: int
    content: Content
    sha256: str
    is_active: bool = True
    template_id: UUID | None = None
    group: str | None = None

    def read(self) -> Stored:
        return self


class Origin(NamedTuple):
    """Where a snapshot came from."""

    source: Source = "builtin"
    revision: int | None = None
    freshness: Freshness | None = None


# For one language, how an include finds its fragment.
LookupFor = Callable[[str | None], Lookup]
_NOTHING = frozenset[str]()


class CompiledVersion:
    """Raises `TemplateFaultError` for a version that cannot be served as a whole: in each language.

    `accepted`: variables that whoever asks for it may give although it does not read them.
    """

    def __init__(
        self,
        stored: Stored,
        lookup_for: LookupFor,
        source: Source = "builtin",
        revision: int | None = None,
        *,
        accepted: frozenset[str] = _NOTHING,
    ) -> None:
        self.stored = stored
        written = {language: text for _, language, text in texts(stored.content)}
        bodies = {
            language: Body(text, lookup_for(language), make_ref(stored.name, stored.version, None), part)
            for part, language, text in texts(stored.content)
        }
        used = [used for body in bodies.values() for used in body.usages()]
        self.declared = Declared.of(stored.content.variables, used).accepting(accepted)
        self.included = [
            (language, reference, sha256)
            for language, body in bodies.items()
            for _, template in body.templates()
            for reference, sha256 in template.included.items()
        ]
        variables, model_config = map(
            msgspec.json.encode, (stored.content.variables, stored.content.model_config)
        )
        self._prompts = {
            None if language is None else language.lower(): Prompt(
                name=stored.name,
                version=stored.version,
                template_id=stored.template_id,
                group=stored.group,
                enrolment=None,
                language=language,
                source=source,
                revision=revision,
                content_sha256=stored.sha256,
                reason="production",
                ref=make_ref(stored.name, stored.version, language),
                body_=body,
                text_=one_text(written[language]),
                declared_=self.declared,
                variables_=variables,
                model_config_=model_config,
            )
            for language, body in bodies.items()
        }

    def prompts(self) -> Iterator[Prompt]:
        """One for each language."""
        yield from self._prompts.values()

    def language(self, asked: str | None) -> str | None:
        """The narrowest of `asked` that it has a text for, in lower case; None for its own."""
        if asked is not None:
            for candidate in chain(asked):
                if candidate in self._prompts:
                    return candidate
        return None

    def prompt(
        self, language: str | None, origin: Origin, reason: str, enrolment: Enrolment | None = None
    ) -> Prompt:
        """As it is served; `language` is what `language()` returned."""
        made = self._prompts[language]
        ref = made.ref
        if reason.startswith("builtin:"):
            ref = make_ref(made.name, made.version, made.language, builtin=True)
        return msgspec.structs.replace(
            made,
            source=origin.source,
            revision=origin.revision,
            freshness_=origin.freshness,
            reason=reason,
            ref=ref,
            enrolment=enrolment,
            group=made.group if enrolment is None else enrolment.group,
        )

    def still_holds(self, given: Given, lookup_for: LookupFor) -> bool:
        """Whether compiling `given` would give the same: its own content and that of all that it includes."""
        stored = self.stored
        same = (given.sha256, given.template_id, given.group) == (
            stored.sha256,
            stored.template_id,
            stored.group,
        )
        return same and all(
            (found := lookup_for(language)(reference)) is not None and found.sha256 == sha256
            for language, reference, sha256 in self.included
        )


class LaterVersion:
    """A version that is compiled when somebody asks for it: of the old ones, few ever are."""

    __slots__ = ("_accepted", "_compiled", "_compiling", "_lookup_for", "given")

    def __init__(
        self, given: Given, lookup_for: LookupFor, accepted: frozenset[str], compiling: threading.Lock
    ) -> None:
        self.given = given
        self._lookup_for = lookup_for
        self._accepted = accepted
        self._compiling = compiling
        self._compiled: CompiledVersion | None = None

    @property
    def ready(self) -> CompiledVersion | None:
        return self._compiled

    def compiled(self) -> CompiledVersion:
        """Raises `TemplateFaultError`."""
        if self._compiled is None:
            locked = self._compiling.acquire(timeout=_COMPILING_SECONDS)
            try:
                if self._compiled is None:
                    self._compiled = CompiledVersion(
                        self.given.read(), self._lookup_for, accepted=self._accepted
                    )
            finally:
                if locked:
                    self._compiling.release()
        return self._compiled


def one_text(text: Translation) -> str:
    return text if isinstance(text, str) else joined_text(text)


def texts(content: Content) -> Iterator[tuple[str, str | None, Translation]]:
    """Part, language, and the text or the messages, of each. Raises `TemplateFaultError` for an unusable language."""
    yield "", None, content.template_text if content.messages is None else content.messages
    languages = [language.lower() for language in content.translations]
    for language, text in content.translations.items():
        if languages.count(language.lower()) > 1:
            raise TemplateFaultError(Fault(f"{short(language)} has two translations"))
        if not is_language(language):
            raise TemplateFaultError(
                Fault(f"{short(language)} is no language: expected one such as de or de-AT")
            )
        if isinstance(text, str) != (content.messages is None):
            raise TemplateFaultError(
                Fault("a translation of a chat has messages, one of a text is a text"),
                f"translations.{language}",
            )
        yield f"translations.{language}", language, text
