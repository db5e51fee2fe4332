"""What an include means: the active version of a name, or the one after `@`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from prompt_worker.prompts.content import Content
from prompt_worker.prompts.errors import TemplateFaultError
from prompt_worker.prompts.languages import chain
from prompt_worker.prompts.prompt import make_ref
from prompt_worker.prompts.template.including import Fragment, Lookup
from prompt_worker.prompts.version import Given

_PINNED = re.compile(r"(?P<name>.+)@(?P<version>[1-9][0-9]{0,9})", re.DOTALL)

Key = tuple[str, int]


class Resolver:
    """Finds what is included: the active version of a name, or the one after `@`."""

    def __init__(self, versions: Mapping[Key, Given]) -> None:
        self._versions = versions
        self._active = {each.name: each for each in versions.values() if each.is_active}

    def lookup_for(self, language: str | None) -> Lookup:
        def lookup(reference: str) -> Fragment | None:
            given = self._given(reference)
            if given is None:
                return None
            try:
                text = _text(given.read().content, language)
            except TemplateFaultError:
                return None
            return None if text is None else Fragment(_ref(given), text, given.sha256)

        return lookup

    def _given(self, reference: str) -> Given | None:
        if (pinned := _PINNED.fullmatch(reference)) is not None:
            return self._versions.get((pinned["name"], int(pinned["version"])))
        return self._active.get(reference)


def _ref(given: Given) -> str:
    return make_ref(given.name, given.version, None)


def _text(content: Content, language: str | None) -> str | None:
    """In that language or the next wider one; None of a chat."""
    if content.messages is not None:
        return None
    translations = {name.lower(): text for name, text in content.translations.items()}
    for candidate in chain(language) if language else ():
        if isinstance(found := translations.get(candidate), str):
            return found
    return content.template_text
