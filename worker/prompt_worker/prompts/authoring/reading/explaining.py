"""What is served, or was at a moment, and why: chosen by the very code that services choose with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.prompts.authoring.acting import reading
from prompt_worker.prompts.authoring.checks.checking import references
from prompt_worker.prompts.authoring.reading.rollout import Rollout, running_rollout
from prompt_worker.prompts.authoring.reading.running import Enrolled, Found, read_running
from prompt_worker.prompts.authoring.reading.state import State, read_state
from prompt_worker.prompts.authoring.stored import missing, read_heads, read_versions
from prompt_worker.prompts.errors import PromptError, UnknownPromptError
from prompt_worker.prompts.registry.document import Name
from prompt_worker.prompts.serving.choosing import View
from prompt_worker.prompts.snapshot.snapshot import Snapshot
from prompt_worker.prompts.version import Origin, Stored

_RELEASE = statement(__name__, "last_release")
_BEGINS = "SELECT min(at) FROM prompt_history"
_EMPTY = Snapshot.build([])
_BUILTIN = "a service serves its built-in prompt, or an error where it has none"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a service passes to `get` beside the name.

    `unit`: a user or a session, as an experiment assigns by. `environment`: of the service, None: of the experiment.
    """

    unit: str | None = None
    environment: str | None = None
    context: Mapping[str, Any] = {}
    language: str | None = None
    version: int | None = None
    label: str | None = None


class Released(msgspec.Struct, frozen=True):
    """Who put it in production."""

    at: datetime
    who: str
    reason: str | None


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """`version` is None where no live version is served; `problem` says why. `quarantined`: what could not be compiled.

    `released` is of the version in production, where the history reaches back so far: to `begins`. `enrolled`: in the
    experiment or rollout that was on the prompt, whether or not it decided. `rollout`: the one that is running; None
    where another moment is asked for.
    """

    name: str
    at: datetime | None
    version: int | None
    language: str | None
    selection: str | None
    sha256: str | None
    problem: str | None
    state: State
    released: Released | None
    begins: datetime | None
    enrolled: Enrolled | None
    rollout: Rollout | None
    quarantined: dict[str, str]


class _Known(NamedTuple):
    """What the database says of a name at one moment."""

    state: State
    stored: list[Stored]
    released: Released | None
    begins: datetime | None
    running: Found
    rollout: Rollout | None


def explain(session: Session, name: str, asked: Asked, *, at: datetime | None = None) -> Explained:
    """At that moment by the database's clock, or now; services follow within seconds.

    Raises `UnknownPromptError`, `NotAllowedError`, `DeploymentError`.
    """

    known = reading(session, partial(_read, name, at))
    state, running = known.state, known.running
    live = Snapshot.build(
        known.stored, names={name: _about(state)}, experiments=running.experiments, origin=Origin("live")
    )
    experiment = running.of(name)
    explained = Explained(
        name=name,
        at=at,
        version=None,
        language=None,
        selection=None,
        sha256=None,
        problem=None,
        state=state,
        released=known.released,
        begins=known.begins,
        enrolled=running.enrolled(name, asked.unit),
        rollout=known.rollout,
        quarantined=dict(live.quarantined),
    )
    view = View(_EMPTY, live, offline=False)
    try:
        prompt = view.choose(
            name,
            unit=asked.unit,
            session_id=asked.unit,
            environment=asked.environment or (experiment.environment if experiment is not None else None),
            context=asked.context,
            language=asked.language,
            version=asked.version,
            label=asked.label,
        )
    except PromptError as error:
        return msgspec.structs.replace(
            explained, problem=_problem(error, state, labelled=asked.label is not None)
        )
    return msgspec.structs.replace(
        explained,
        version=prompt.version,
        language=prompt.language,
        selection=prompt.reason,
        sha256=prompt.content_sha256,
    )


def _read(name: str, at: datetime | None, cursor: cursor) -> _Known:
    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    if not read_heads(cursor, name):
        raise missing(name, 0, [])
    running = read_running(cursor, name, at)
    states, stored = _reachable(cursor, name, at, running)
    cursor.execute(_BEGINS)
    ((begins,),) = cursor.fetchall()
    return _Known(
        state=states[name],
        stored=stored,
        released=_released(cursor, name, states[name].production, at),
        begins=begins,
        running=running,
        rollout=running_rollout(cursor, name) if at is None else None,
    )


def _problem(error: PromptError, state: State, *, labelled: bool) -> str:
    if not isinstance(error, UnknownPromptError) or labelled:
        return str(error)
    if state.production is None:
        return f"no version is in production: {_BUILTIN}"
    return f"the version in production cannot be served: {_BUILTIN}"


def _about(state: State) -> Name:
    return Name(
        blocked=state.blocked, labels=state.labels, rules=msgspec.Raw(msgspec.json.encode(state.rules))
    )


def _reachable(
    cursor: cursor, name: str, at: datetime | None, running: Found
) -> tuple[dict[str, State], list[Stored]]:
    """The versions of the name, and of all that they include, each with what was in production then."""
    experiment = running.of(name)
    arms = set(experiment.arms.values()) if experiment is not None else set()
    states: dict[str, State] = {}
    stored: list[Stored] = []
    waiting = [name]
    while waiting:
        fragment = waiting.pop()
        if fragment in states:
            continue
        states[fragment] = state = read_state(cursor, fragment, at)
        for version in read_versions(cursor, fragment):
            later = at is not None and version.created_at is not None and version.created_at > at
            grouped = version.group is not None and version.id not in arms
            if version.content is None or grouped or later:
                continue
            stored.append(version.as_stored(is_active=version.version == state.production))
            waiting += [reference.partition("@")[0] for reference in references(version.content)]
    return states, stored


def _released(cursor: cursor, name: str, version: int | None, at: datetime | None) -> Released | None:
    cursor.execute(_RELEASE, {"name": name, "version": version, "at": at})
    row = cursor.fetchone()
    return None if row is None else Released(*row)
