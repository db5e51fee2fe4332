"""Versions of a registry's document as a snapshot is built of them: each is decoded when it is needed."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from prompt_worker.prompts.content import make_content
from prompt_worker.prompts.errors import Fault, TemplateFaultError
from prompt_worker.prompts.registry.document import Document, DocumentError, Version
from prompt_worker.prompts.registry.experiment import Experiments
from prompt_worker.prompts.version import Stored


class Unread:
    """One version, of which only the content is still a text."""

    __slots__ = ("_given", "_read", "group", "is_active", "name", "template_id", "version")

    def __init__(self, given: Version, *, is_tested: bool = False) -> None:
        self.name: str = given.name
        self.version: int = given.version
        self.is_active: bool = given.is_active
        self.template_id: UUID | None = given.template_id
        # Where an experiment assigns, nothing else does.
        self.group: str | None = None if is_tested else given.group
        self._given = given
        self._read: Stored | None = None

    @property
    def sha256(self) -> str:
        """As the registry has it. One that was stored before it had any is made here."""
        return self._given.content_sha256 or self.read().sha256

    def read(self) -> Stored:
        """Raises `TemplateFaultError` for a content that is none."""
        if self._read is None:
            try:
                content = self._given.read_content()
            except DocumentError as error:
                raise TemplateFaultError(Fault(str(error))) from None
            content = make_content(
                content.template_text,
                content.messages,
                content.translations,
                variables=content.variables,
                model_config=content.model_config,
                output_schema=content.output_schema,
            )
            self._read = Stored(
                name=self.name,
                version=self.version,
                content=content,
                sha256=self._given.content_sha256 or content.sha256,
                is_active=self.is_active,
                template_id=self.template_id,
                group=self.group,
            )
        return self._read


def versions(document: Document, experiments: Experiments) -> Iterator[Unread]:
    """All of the document; `experiments` are its own."""
    return (Unread(each, is_tested=each.name in experiments.by_name) for each in document.versions)
