"""The dry run: stored events through the very code of their worker, in transactions that are rolled back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar

from psycopg2.errors import InsufficientPrivilege
from psycopg2.extensions import cursor
from sqlalchemy import Engine
from tenacity import stop_after_attempt

from prompt_worker.consuming.outcome import Outcome, Rejected, Verdict
from prompt_worker.consuming.subscription import Message
from prompt_worker.deadletters.filters import Consumer
from prompt_worker.deadletters.reading import kind_of_reason
from prompt_worker.deadletters.replay.provenance import Provenance
from prompt_worker.deadletters.replay.selection import FIRST, PORTION, DeadLetter, Selection
from prompt_worker.executions.writer import ExecutionWriter
from prompt_worker.platform.failures import DeploymentError
from prompt_worker.platform.postgres.session import ATTEMPTS, Session
from prompt_worker.platform.postgres.transactions import Transactions

Result = TypeVar("Result")
End = Literal["would be written", "would be skipped", "would fail again"]
Handler = Callable[[Sequence[Message]], list[Outcome]]

_NOBODY = Provenance("", FIRST)


@dataclass(frozen=True)
class Fate:
    """Why events failed, and what would become of them now."""

    cause: str
    end: End
    now: str


class RolledBack(Transactions):
    """Everything as it is, except that nothing is kept; tried a few times against locks."""

    def __init__(self, engine: Engine, stop: threading.Event) -> None:
        super().__init__(engine, stop)
        self._retrying = self._retrying.copy(stop=stop_after_attempt(ATTEMPTS))

    def once(self, work: Callable[[cursor], Result]) -> Result:
        results: list[Result] = []

        def rehearse(cursor: cursor) -> None:
            try:
                results.append(work(cursor))
            except InsufficientPrivilege:
                raise DeploymentError(
                    "A dry run writes, and takes it back: this login needs the rights of the workers as well. "
                    "GRANT prompt_execution_worker TO it, for dead letters of guardrails prompt_guardrail_worker too."
                ) from None
            raise _Enough

        with suppress(_Enough):
            super().once(rehearse)
        return results[0]


class _Enough(Exception):  # noqa: N818 - not an error: the transaction has shown what it would do
    pass


class Rehearsal:
    """What would happen to dead letters if they were sent now. Raises `DeploymentError`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._handlers: dict[Consumer, Handler] = {}

    def run(self, selection: Selection, most: int) -> Iterator[list[tuple[DeadLetter, Fate]]]:
        """Of at most `most` of them, a portion at a time."""
        after = FIRST
        while most:
            number = min(PORTION, most)
            letters = self._session.run(partial(selection.read, after=after, number=number))
            if not letters:
                return
            yield self._rehearse(letters)
            after, most = letters[-1].id, most - len(letters)

    def _rehearse(self, letters: Sequence[DeadLetter]) -> list[tuple[DeadLetter, Fate]]:
        fates: list[tuple[DeadLetter, Fate]] = []
        for consumer in sorted({letter.consumer for letter in letters}):
            own = [letter for letter in letters if letter.consumer == consumer]
            outcomes = self._handler(consumer)([_message(letter) for letter in own])
            fates += [(letter, _fate(letter, outcome)) for letter, outcome in zip(own, outcomes, strict=True)]
        return fates

    def _handler(self, consumer: Consumer) -> Handler:
        if consumer not in self._handlers:
            open_handler = _execution_handler if consumer == "executions" else _guardrail_handler
            self._handlers[consumer] = open_handler(self._session.engine)
        return self._handlers[consumer]


def _execution_handler(engine: Engine) -> Handler:
    return ExecutionWriter(engine, threading.Event(), RolledBack)


def _guardrail_handler(engine: Engine) -> Handler:
    try:
        from prompt_worker.guardrails.recording.alerts import Unannounced
        from prompt_worker.guardrails.recording.handler import GuardrailHandler
    except ModuleNotFoundError as error:
        raise DeploymentError(
            f"These are dead letters of the guardrail worker, and {error.name} is not installed: "
            "pip install 'prompt-worker[guardrails]', or leave them out with --consumer executions"
        ) from None
    stop = threading.Event()
    return GuardrailHandler(
        engine, Unannounced(), stop, refresh_seconds=30, key=None, transactions=RolledBack
    )


def _message(letter: DeadLetter) -> Message:
    """As it would be delivered."""
    attributes = _NOBODY.attributes(letter.attributes, letter.replay_count, len(letter.payload))
    return Message(letter.payload, attributes, "")


def _fate(letter: DeadLetter, outcome: Outcome) -> Fate:
    cause = f"{letter.error_class}: {kind_of_reason(letter.reason)}"
    told = cause if letter.consumer == "executions" else f"{letter.consumer}: {cause}"
    if isinstance(outcome, Rejected):
        why = f"{outcome.error_class}: {kind_of_reason(outcome.reason)}"
        again = "would fail again" + (", for the same reason" if why == cause else f": {why}")
        return Fate(told, "would fail again", again)
    if outcome is Verdict.RETRY:
        raise DeploymentError("The database cannot be reached any more. Run the command again.")
    return Fate(told, *_ENDS[outcome])


_ENDS: dict[Outcome, tuple[End, str]] = {
    Verdict.WRITTEN: ("would be written", "would be written"),
    Verdict.DUPLICATE: ("would be skipped", "is already stored: would be skipped"),
    Verdict.SKIPPED: ("would be skipped", "would be skipped: the guardrail worker cannot read it"),
}
