"""The one thread that asks a registry for what is new, for as long as its process lives."""

from __future__ import annotations

import logging
import random
import threading
from typing import Protocol

from prompt_worker.prompts.errors import PromptError
from prompt_worker.prompts.registry import forking
from prompt_worker.prompts.registry.sources.source import Fetched, Known, Source
from prompt_worker.prompts.registry.waking import Waking

log = logging.getLogger(__name__)

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 30.0


class Sink(Protocol):
    """Who is given what was found; called by the thread alone."""

    def prepare(self) -> None:
        """Before the first question."""

    def offer(self, fetched: Fetched) -> None:
        """Raises `DocumentError` for what it refuses."""

    def confirm(self, age_seconds: float) -> None:
        """Nothing is new, as a source said that knew it that long ago."""

    def note(self, trouble: str | None) -> None:
        """Of the last attempt; None: it went well."""


class Refresher:
    """One attempt at a time; after a failed one, the next is later and later, up to `LONGEST_SECONDS`.

    The thread holds the sink, and is nobody else's. `ensure` starts it where there is none, whatever ended it.
    """

    def __init__(self, source: Source, sink: Sink) -> None:
        self._source = source
        self._sink = sink
        self._known: Known | None = None
        self._thread: threading.Thread | None = None
        self._ended = False
        self._starting = threading.Lock()
        self._waking = Waking()
        # Held while something runs that a fork must not cut in two.
        self.busy = threading.Lock()
        forking.follow(self)

    def ensure(self) -> None:
        """Never waits."""
        thread = self._thread
        if (thread is None or not thread.is_alive()) and not self._ended:
            self._start()

    def is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def close(self) -> None:
        """The thread ends soon; nobody waits for it."""
        self._ended = True
        self._waking.set()
        self._source.close()

    def renew(self) -> None:
        """In a forked child, which has no thread but its own."""
        running, self._thread = self._thread is not None, None
        self._starting, self.busy = threading.Lock(), threading.Lock()
        self._waking = Waking()
        self._source.forget()
        if running and not self._ended:
            self._start()

    def _start(self) -> None:
        if not self._starting.acquire(blocking=False):
            return
        try:
            if not self.is_running():
                thread = threading.Thread(target=self._run, name="prompt-refresher", daemon=True)
                thread.start()
                self._thread = thread
        # Python ends, or the system has no thread to give: the next call tries again.
        except RuntimeError:
            pass
        finally:
            self._starting.release()

    def _run(self) -> None:
        waking = self._waking
        self._sink.prepare()
        failed, ask = 0, True
        while not waking.is_set():
            trouble = self._attempt(ask)
            self._sink.note(trouble)
            failed = failed + 1 if trouble is not None else 0
            ask = True
            if failed or self._known is None:
                waking.wait(backoff(failed))
                continue
            try:
                ask = self._source.wait(self._known, waking)
            except PromptError as error:
                if not waking.is_set():
                    self._sink.note(str(error))
                    failed = 1
                    waking.wait(backoff(failed))

    def _attempt(self, ask: bool) -> str | None:
        """What went wrong, None when nothing did."""
        try:
            fetched = self._source.fetch(self._known) if ask else None
            if fetched is None:
                self._sink.confirm(self._source.age_seconds)
            else:
                self._sink.offer(fetched)
                self._known = Known(fetched.document.position, fetched.tag)
        except PromptError as error:
            return str(error)
        # A fault of ours must not end what keeps prompts current.
        except Exception as error:
            log.exception("the registry could not be refreshed")
            return f"an unexpected {type(error).__name__}: the log has where"
        return None


def backoff(failed: int) -> float:
    """Seconds after so many failures in a row, with jitter."""
    most = min(LONGEST_SECONDS, FIRST_SECONDS * float(2 ** min(failed, 10)))
    return most * random.uniform(0.5, 1)  # noqa: S311 - no secret
