"""One version of a prompt: as a source stores it, and compiled with each of its languages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import UUID

import msgspec

from prompt_worker.prompts.body import Body
from prompt_worker.prompts.content import Content, Translation
from prompt_worker.prompts.errors import Fault, TemplateFaultError, short
from prompt_worker.prompts.languages import chain, is_language
from prompt_worker.prompts.prompt import Prompt, Source, make_ref
from prompt_worker.prompts.template.including import Lookup
from prompt_worker.prompts.variables import Declared


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """One version as a source gives it. The active one is what a name alone means."""

    name: str
    version: int
    content: Content
    sha256: str
    is_active: bool = True
    template_id: UUID | None = None
    group: str | None = None


# For one language, how an include finds its fragment.
LookupFor = Callable[[str | None], Lookup]


class CompiledVersion:
    """Raises `TemplateFaultError` for a version that cannot be served as a whole: in each language."""

    def __init__(self, stored: Stored, lookup_for: LookupFor, source: Source, revision: int | None) -> None:
        self.stored = stored
        self._lookup_for = lookup_for
        bodies = {
            language: Body(text, lookup_for(language), make_ref(stored.name, stored.version, None), part)
            for part, language, text in texts(stored.content)
        }
        declared = Declared.of(
            stored.content.variables, [used for body in bodies.values() for used in body.usages()]
        )
        self.included = [
            (language, reference, sha256)
            for language, body in bodies.items()
            for _, template in body.templates()
            for reference, sha256 in template.included.items()
        ]
        self._prompts = {
            None if language is None else language.lower(): Prompt(
                name=stored.name,
                version=stored.version,
                template_id=stored.template_id,
                group=stored.group,
                experiment_id=None,
                language=language,
                source=source,
                revision=revision,
                age_seconds=None,
                content_sha256=stored.sha256,
                reason="production",
                ref=make_ref(stored.name, stored.version, language),
                body_=body,
                declared_=declared,
                variables_=msgspec.json.encode(stored.content.variables),
                model_config_=msgspec.json.encode(stored.content.model_config),
            )
            for language, body in bodies.items()
        }
        self._pinned = {
            language: msgspec.structs.replace(prompt, reason="pinned")
            for language, prompt in self._prompts.items()
        }
        self.default = self._prompts[None]

    def prompts(self) -> Iterator[Prompt]:
        """One for each language."""
        yield from self._prompts.values()

    def in_language(self, language: str | None, *, pinned: bool) -> Prompt:
        """In the narrowest language that it has a text for, else in its own; as it was asked for by its number."""
        prompts = self._pinned if pinned else self._prompts
        if language is not None:
            for candidate in chain(language):
                if (found := prompts.get(candidate)) is not None:
                    return found
        return prompts[None]

    def still_holds(self, stored: Stored, lookup_for: LookupFor) -> bool:
        """Whether compiling `stored` would give the same: its own content and that of all that it includes."""
        return stored == self.stored and all(
            (found := lookup_for(language)(reference)) is not None and found.sha256 == sha256
            for language, reference, sha256 in self.included
        )


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
