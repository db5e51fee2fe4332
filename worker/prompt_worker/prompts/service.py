"""What a service asks for its prompts: no call here does I/O once the service is made."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Self

import msgspec

from prompt_worker.event.execution import ExecutionEvent
from prompt_worker.prompts.errors import PromptReferenceError, short
from prompt_worker.prompts.folder.reading import read_folder
from prompt_worker.prompts.prompt import Prompt, Source, read_ref
from prompt_worker.prompts.run import Run
from prompt_worker.prompts.snapshot import Snapshot
from prompt_worker.publishing.publisher import Publisher
from prompt_worker.publishing.timing import timed

_NONE: Mapping[str, Any] = {}


class Health(msgspec.Struct, frozen=True):
    """`prompts`: names that can be served. `quarantined`: those that are not served as stored, each with the reason."""

    prompts: int
    source: Source
    revision: int | None
    quarantined: dict[str, str]

    @property
    def is_healthy(self) -> bool:
        return not self.quarantined


class PromptTemplateService:
    """The prompts of a service; one for each, used from any thread and any task, also after a fork.

    `builtin` is a folder of `*.prompt` files with their `prompts.lock`. `publisher` records what `run` executes;
    without one nothing is recorded. Raises `FolderError` for a folder that cannot be read. A single prompt that
    cannot be used is left out and named by `health()`.
    """

    def __init__(self, builtin: str | os.PathLike[str], *, publisher: Publisher | None = None) -> None:
        self._publisher = publisher
        # Replaced as a whole and never changed: a reader that has it keeps what belongs together.
        self._snapshot = _builtin_snapshot(builtin)

    @classmethod
    def offline(cls, folder: str | os.PathLike[str], *, publisher: Publisher | None = None) -> Self:
        """With the prompts of `folder` and nothing else, whatever the environment says: for tests."""
        return cls(folder, publisher=publisher)

    def get(
        self, name: str, *, version: int | None = None, language: str | None = None, ref: str | None = None
    ) -> Prompt:
        """The active version of `name`, or `version`; or the very one of `ref`, which an earlier prompt had.

        `language` (BCP 47) falls back from de-AT to de to the version's own text. Raises `UnknownPromptError`,
        `VersionGoneError` for a version that is not there, and `PromptReferenceError`.
        """
        if version is None and language is None and ref is None:
            return self._snapshot.active(name)
        if ref is None:
            return self._snapshot.find(name, version, language)
        pinned = read_ref(ref)
        if pinned.name != name:
            raise PromptReferenceError(f"this ref is of {short(pinned.name)}, not of {short(name)}")
        if version not in (None, pinned.version) or language not in (None, pinned.language):
            raise PromptReferenceError("a ref says version and language: pass it alone")
        return self._snapshot.find(name, pinned.version, pinned.language)

    @contextmanager
    def run(
        self,
        name: str,
        variables: Mapping[str, Any] = _NONE,
        *,
        version: int | None = None,
        language: str | None = None,
        ref: str | None = None,
        **fields: Any,
    ) -> Iterator[Run]:
        """Gets and renders a prompt, times the block, and publishes its execution when the block ends.

        An exception of the block, also a cancelled task, makes it a `failure` and is raised on. `fields` are other
        fields of `ExecutionEvent`, such as `user_id` and `session_id`. Raises what `get` and `render` raise, before the
        block begins and with nothing recorded, as no model was called.
        """
        prompt = self.get(name, version=version, language=language, ref=ref)
        run = Run(prompt, prompt.render(variables), fields)
        with timed(run.event, self._record):
            yield run

    @asynccontextmanager
    async def arun(
        self,
        name: str,
        variables: Mapping[str, Any] = _NONE,
        *,
        version: int | None = None,
        language: str | None = None,
        ref: str | None = None,
        **fields: Any,
    ) -> AsyncIterator[Run]:
        """As `run`, for `async with`. It waits for nothing."""
        with self.run(name, variables, version=version, language=language, ref=ref, **fields) as run:
            yield run

    def health(self) -> Health:
        snapshot = self._snapshot
        return Health(len(snapshot), snapshot.source, snapshot.revision, dict(snapshot.quarantined))

    def _record(self, event: ExecutionEvent) -> None:
        if self._publisher is not None:
            self._publisher.publish(event)


def _builtin_snapshot(folder: str | os.PathLike[str]) -> Snapshot:
    read = read_folder(folder)
    return Snapshot.build(read.stored, refused=read.refused)
