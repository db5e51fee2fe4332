"""What a service asks for its prompts: no call here does I/O, as one thread beside it follows the registry."""

from __future__ import annotations

import os
import weakref
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from prompt_worker.event.execution import ExecutionEvent
from prompt_worker.prompts.folder.reading import Read, read_folder
from prompt_worker.prompts.prompt import Prompt
from prompt_worker.prompts.registry.sources.source import Source as Registry
from prompt_worker.prompts.serving import gauges
from prompt_worker.prompts.serving.choosing import View
from prompt_worker.prompts.serving.following import Following
from prompt_worker.prompts.serving.gauges import SERVED
from prompt_worker.prompts.serving.guard import Guard
from prompt_worker.prompts.serving.health import Health
from prompt_worker.prompts.serving.run import Run
from prompt_worker.prompts.serving.settings import read_environment, read_last_good, read_source
from prompt_worker.prompts.snapshot.snapshot import Snapshot
from prompt_worker.publishing.publisher import Publisher
from prompt_worker.publishing.timing import timed

if TYPE_CHECKING:
    from prompt_worker.guardrails import Guardrail

_NONE: Mapping[str, Any] = {}


class PromptTemplateService:
    """The prompts of a service; one for each, used from any thread and any task, also after a fork.

    `builtin` is a folder of `*.prompt` files with their `prompts.lock`; they are served where the registry has nothing
    to serve. `registry` is its address, by default PROMPT_REGISTRY or DATABASE_URL; `last_good` the folder where the
    last good prompts are kept, by default PROMPT_LAST_GOOD. `publisher` records what `run` executes; without one
    nothing is recorded. `guardrails` are those of `guard=`, by default the ones that a new database has. `environment`
    is where it runs, such as `production`, by default PROMPT_WORKER_ENVIRONMENT: for experiments and events.

    Raises `FolderError` for a folder that cannot be read, `SettingsError` for an address that cannot be one and
    `GuardrailConfigError`; never because a registry is unavailable. A single prompt that cannot be used is left out and
    named by `health()`.
    """

    def __init__(
        self,
        builtin: str | os.PathLike[str] | None = None,
        *,
        publisher: Publisher | None = None,
        registry: str | Registry | None = None,
        last_good: str | os.PathLike[str] | None = None,
        guardrails: Sequence[Guardrail] | None = None,
        environment: str | None = None,
    ) -> None:
        self._publisher = publisher
        self._environment = read_environment(environment)
        self._guard = Guard(guardrails)
        self._builtin = _builtin_snapshot(builtin)
        source = read_source(registry)
        # Replaced as a whole and never changed: a reader that has it keeps what belongs together.
        self._view = View(self._builtin, None, offline=source is None)
        self._following: Following | None = None
        if source is not None:
            contracts = {
                name: entry.active.declared
                for name, entry in self._builtin.entries.items()
                if entry.active is not None
            }
            keeping = read_last_good(last_good, source)
            # Weak, so that a service that nobody has any more does not follow its registry for ever.
            self._following = Following(source, keeping, contracts, partial(_swap, weakref.ref(self)))
            self._ending = weakref.finalize(self, self._following.refresher.close)
            self._ending.atexit = False
        gauges.follow(self)

    @classmethod
    def offline(cls, folder: str | os.PathLike[str], *, publisher: Publisher | None = None) -> Self:
        """With the prompts of `folder` and nothing else, whatever the environment says: for tests."""
        return cls(folder, publisher=publisher, registry="none")

    def start(self, wait: float = 0.0) -> bool:
        """Follows the registry from now on; else the first `get` begins.

        Waits up to `wait` seconds for what the registry has, and says whether that is served. Never raises because the
        registry is unavailable.
        """
        if self._following is None:
            return False
        self._following.refresher.ensure()
        return self._following.is_live.wait(wait) if wait > 0 else self._following.is_live.is_set()

    def close(self) -> None:
        """Follows the registry no longer; what is served stays as it is."""
        if self._following is not None:
            self._following.refresher.close()

    def get(
        self,
        name: str,
        *,
        unit: str | None = None,
        session_id: str | None = None,
        context: Mapping[str, Any] | None = None,
        language: str | None = None,
        version: int | None = None,
        label: str | Sequence[str] | None = None,
        ref: str | None = None,
    ) -> Prompt:
        """The prompt of `name` to be sent now; no I/O.

        The first of these decides: `ref`, the very one that an earlier prompt had; `version`; `label`, or the first of
        several that the name has; the rules of the name for this `context`; an experiment or rollout on the name; the
        active version; the built-in one. `language` (BCP 47) falls back from de-AT to de to the version's own text.
        An experiment assigns by `unit`, the user, or by `session_id`, as its owner decided: pass both.

        Raises `PromptBlockedError` for a name that an owner has blocked, `UnknownPromptError`, `VersionGoneError` for
        a version that is not there, and `PromptReferenceError`.
        """
        if self._following is not None:
            self._following.refresher.ensure()
        view = self._view
        prompt = None
        if context is None and language is None and version is None and label is None and ref is None:
            prompt = view.get(name)
        if prompt is None:
            prompt = view.choose(
                name,
                unit=unit,
                session_id=session_id,
                environment=self._environment,
                context=context,
                language=language,
                version=version,
                label=label,
                ref=ref,
            )
        SERVED[prompt.source] += 1
        return prompt

    @contextmanager
    def run(
        self,
        name: str,
        variables: Mapping[str, Any] = _NONE,
        *,
        unit: str | None = None,
        context: Mapping[str, Any] | None = None,
        language: str | None = None,
        version: int | None = None,
        label: str | Sequence[str] | None = None,
        ref: str | None = None,
        guard: bool = False,
        **fields: Any,
    ) -> Iterator[Run]:
        """Gets and renders a prompt, times the block, and publishes its execution when the block ends.

        An exception of the block, also a cancelled task, makes it a `failure` and is raised on. `fields` are other
        fields of `ExecutionEvent`: an experiment assigns by `session_id`, or by `unit` and where that is not given by
        `user_id`; `environment` is the service's where it is not given. Raises what `get` and `render` raise, before
        the block begins and with nothing recorded, as no model was called. With `guard`, guardrails check the rendered
        prompt first: what they block is recorded as `blocked` and raises `PromptBlockedError`.
        """
        if unit is None:
            unit = fields.get("user_id")
        choice: dict[str, Any] = {
            "unit": unit,
            "session_id": fields.get("session_id"),
            "context": context,
            "language": language,
            "version": version,
            "label": label,
            "ref": ref,
        }
        if fields.setdefault("environment", self._environment) == self._environment:
            prompt = self.get(name, **choice)
        else:
            prompt = self._get_in(fields["environment"], name, choice)
        run = Run(prompt, prompt.render(variables), unit, fields)
        with timed(run.event, self._record):
            if guard:
                self._guard.check(run.event, prompt.text_, self._category(name))
            yield run

    @asynccontextmanager
    async def arun(
        self,
        name: str,
        variables: Mapping[str, Any] = _NONE,
        *,
        unit: str | None = None,
        context: Mapping[str, Any] | None = None,
        language: str | None = None,
        version: int | None = None,
        label: str | Sequence[str] | None = None,
        ref: str | None = None,
        guard: bool = False,
        **fields: Any,
    ) -> AsyncIterator[Run]:
        """As `run`, for `async with`. It waits for nothing."""
        with self.run(
            name,
            variables,
            unit=unit,
            context=context,
            language=language,
            version=version,
            label=label,
            ref=ref,
            guard=guard,
            **fields,
        ) as run:
            yield run

    def health(self) -> Health:
        view, following = self._view, self._following
        served = view.live if view.live is not None else self._builtin
        quarantined = self._quarantined(view)
        if following is None:
            return Health(len(served), served.source, served.revision, quarantined)
        names = {name for name, entry in served.entries.items() if entry.active is not None}
        names |= {name for name, entry in self._builtin.entries.items() if entry.active is not None}
        names -= {name for name, entry in served.entries.items() if entry.blocked is not None}
        position = following.position
        return Health(
            len(names),
            served.source,
            served.revision,
            quarantined,
            age_seconds=following.age() if following.freshness is not None else None,
            epoch=position.epoch if position is not None else None,
            registry_id=str(position.registry_id) if position is not None else None,
            trouble=following.trouble,
            irregularity=following.irregularity,
        )

    def registry_age(self) -> float | None:
        """Seconds since the registry last said what to serve, or since it was to be asked; None without one."""
        return self._following.age() if self._following is not None else None

    def unusable(self) -> int:
        """How many prompts are not served as they are stored."""
        return len(self._quarantined(self._view))

    def _quarantined(self, view: View) -> dict[str, str]:
        live = view.live.quarantined if view.live is not None else {}
        return {**self._builtin.quarantined, **live}

    def _get_in(self, environment: str | None, name: str, choice: Mapping[str, Any]) -> Prompt:
        """As `get`, of a call that is of another environment than the service."""
        if self._following is not None:
            self._following.refresher.ensure()
        prompt = self._view.choose(name, environment=environment, **choice)
        SERVED[prompt.source] += 1
        return prompt

    def _category(self, name: str) -> str | None:
        live = self._view.live
        entry = live.entries.get(name) if live is not None else None
        return entry.category if entry is not None else None

    def _record(self, event: ExecutionEvent) -> None:
        if self._publisher is not None:
            self._publisher.publish(event)


def _swap(service: weakref.ref[PromptTemplateService], snapshot: Snapshot) -> None:
    if (alive := service()) is not None:
        alive._view = View(alive._builtin, snapshot, offline=False)


def _builtin_snapshot(folder: str | os.PathLike[str] | None) -> Snapshot:
    read = read_folder(folder) if folder is not None else Read([], {})
    return Snapshot.build(read.stored, refused=read.refused)
