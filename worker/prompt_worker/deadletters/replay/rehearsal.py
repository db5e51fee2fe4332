"""The dry run: stored events pass through the code of their worker, in transactions that are rolled back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeVar

import psycopg2
from psycopg2.errors import InsufficientPrivilege
from psycopg2.extensions import cursor
from sqlalchemy import Engine
from tenacity import stop_after_attempt

from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Outcome, Rejected, Verdict
from prompt_worker.deadletters.filters import LOWEST_ID, WorkerName
from prompt_worker.deadletters.reading import general_reason
from prompt_worker.deadletters.replay.provenance import Provenance
from prompt_worker.deadletters.replay.selection import BATCH, DeadLetter, Selection
from prompt_worker.executions.writer import ExecutionWriter
from prompt_worker.feedback.writer import FeedbackWriter
from prompt_worker.platform.failures import DeploymentError
from prompt_worker.platform.postgres.errors import classify, describe, error_class, explain
from prompt_worker.platform.postgres.session import ATTEMPTS, Session
from prompt_worker.platform.postgres.transactions import Transactions

if TYPE_CHECKING:
    from prompt_worker.consuming.work import Handler

Returned = TypeVar("Returned")
Prospect = Literal["would be written", "would be skipped", "would fail again"]

_NOBODY = Provenance("", LOWEST_ID)


@dataclass(frozen=True)
class Fate:
    """Why events failed (`cause`), how they would end now (`end`), and the same in words (`now`)."""

    cause: str
    end: Prospect
    now: str


class RolledBack(Transactions):
    """Transactions of which nothing is kept; each is tried a few times against locks.

    `failure` is the last error that was not an event's.
    """

    def __init__(self, engine: Engine, stop: threading.Event) -> None:
        super().__init__(engine, stop)
        self.failure: psycopg2.Error | None = None
        self._retrying = self._retrying.copy(stop=stop_after_attempt(ATTEMPTS))

    def once(self, work: Callable[[cursor], Returned]) -> Returned:
        returned: list[Returned] = []

        def rehearse(cursor: cursor) -> None:
            try:
                returned.append(work(cursor))
            except InsufficientPrivilege:
                raise DeploymentError(
                    "A dry run writes and rolls back, so this login needs the rights of the workers as well: "
                    "GRANT prompt_execution_worker to it, and for dead letters of guardrails or feedback "
                    "prompt_guardrail_worker or prompt_feedback_worker."
                ) from None
            raise _Enough

        try:
            with suppress(_Enough):
                super().once(rehearse)
        except psycopg2.Error as error:
            if classify(error) != "event":
                self.failure = error
            raise
        return returned[0]


class _Enough(Exception):  # noqa: N818 - not an error
    """Rolls back a transaction that has shown what it would do."""


class Rehearsal:
    """Finds out what would become of dead letters if they were sent now. Raises `DeploymentError`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._handlers: dict[WorkerName, Handler] = {}
        self._transactions: dict[WorkerName, RolledBack] = {}

    def run(self, selection: Selection) -> Iterator[list[tuple[DeadLetter, Fate]]]:
        """Yields each dead letter with its fate, a batch at a time."""
        after, most = LOWEST_ID, selection.size
        while most:
            number = min(BATCH, most)
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
            failure = self._transactions[consumer].failure
            fates += [
                (letter, _fate(letter, outcome, failure))
                for letter, outcome in zip(own, outcomes, strict=True)
            ]
        return fates

    def _handler(self, consumer: WorkerName) -> Handler:
        if consumer not in self._handlers:
            transactions = RolledBack(self._session.engine, threading.Event())
            self._transactions[consumer] = transactions
            self._handlers[consumer] = _HANDLERS[consumer](self._session.engine, transactions)
        return self._handlers[consumer]


def _execution_handler(engine: Engine, transactions: RolledBack) -> Handler:
    return ExecutionWriter(engine, threading.Event(), lambda *_: transactions)


def _guardrail_handler(engine: Engine, transactions: RolledBack) -> Handler:
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
        engine, Unannounced(), stop, refresh_seconds=30, key=None, transactions=lambda *_: transactions
    )


def _feedback_handler(engine: Engine, transactions: RolledBack) -> Handler:
    return FeedbackWriter(engine, threading.Event(), lambda *_: transactions)


_HANDLERS: dict[WorkerName, Callable[[Engine, RolledBack], Handler]] = {
    "executions": _execution_handler,
    "guardrails": _guardrail_handler,
    "feedback": _feedback_handler,
}


def _message(letter: DeadLetter) -> Message:
    """The message as it would be delivered."""
    attributes = _NOBODY.attributes(letter.attributes, letter.replay_count, len(letter.payload))
    return Message(letter.payload, attributes, "")


def _fate(letter: DeadLetter, outcome: Outcome, failure: psycopg2.Error | None) -> Fate:
    """`failure` is what left events without an outcome. Raises `DeploymentError` where that is the database's."""
    cause = f"{letter.error_class}: {general_reason(letter.reason)}"
    named = cause if letter.consumer == "executions" else f"{letter.consumer}: {cause}"
    if isinstance(outcome, Rejected):
        why = f"{outcome.error_class}: {general_reason(outcome.reason)}"
        again = "would fail again" + (", for the same reason" if why == cause else f": {why}")
        return Fate(named, "would fail again", again)
    if outcome is Verdict.RETRY:
        if failure is None:
            raise DeploymentError("The database left an event without an outcome. Run the command again.")
        if classify(failure) != "unknown":
            raise explain(failure)
        # In a dry run of other events as well, one that is written would show whose error it is.
        why = f"{error_class(failure)}: {describe(failure)}"
        return Fate(
            named,
            "would fail again",
            f"would fail again, unless the server is what fails: {why}",
        )
    return Fate(named, *_PROSPECTS[outcome])


_PROSPECTS: dict[Outcome, tuple[Prospect, str]] = {
    Verdict.WRITTEN: ("would be written", "would be written"),
    Verdict.DUPLICATE: ("would be skipped", "is already stored: would be skipped"),
    Verdict.SKIPPED: ("would be skipped", "would be skipped: the guardrail worker cannot read it"),
}
