"""The rollout of a prompt, as its owner asks for it."""

from __future__ import annotations

from functools import partial

from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.session import Session
from prompt_worker.prompts.authoring.acting import reading
from prompt_worker.prompts.authoring.reading.rollout import Rollout, read_rollout
from prompt_worker.prompts.authoring.stored import missing, read_heads
from prompt_worker.prompts.errors import PromptError, short


class NoRolloutError(PromptError):
    """The prompt has none, or none that is running."""

    exit_code = 66


def find_rollout(session: Session, name: str, *, running: bool = False) -> Rollout:
    """The newest. Raises `NoRolloutError`, `UnknownPromptError`, `NotAllowedError`, `DeploymentError`."""
    return reading(session, partial(expected_rollout, name=name, running=running))


def expected_rollout(cursor: cursor, name: str, *, running: bool = False) -> Rollout:
    """Raises `NoRolloutError`, `UnknownPromptError`."""
    found = read_rollout(cursor, name)
    if found is None:
        if not read_heads(cursor, name):
            raise missing(name, 0, [])
        raise NoRolloutError(
            f"{short(name)} has no rollout: 'prompt-worker prompts activate {short(name)} VERSION --canary 10' "
            "begins one"
        )
    if running and not found.is_running:
        end = f"version {found.canary.version} " + (
            "is in production" if found.promoted else "was taken back"
        )
        raise NoRolloutError(f"no rollout of {short(name)} is running: the last one is over, {end}")
    return found
