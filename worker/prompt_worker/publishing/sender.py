"""From the outbox to Pub/Sub, or to the spool while that is unavailable: one thread, in batches."""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from prompt_worker.event.refusal import InvalidEventError
from prompt_worker.platform.process.wakeup import Wakeup
from prompt_worker.publishing.delivery import Delivery
from prompt_worker.publishing.encoding.message import Message
from prompt_worker.publishing.errors import UnavailableError, UnpublishableError
from prompt_worker.publishing.losses import Losses, succeed
from prompt_worker.publishing.outbox import BATCH_EVENTS, Outbox, Pending
from prompt_worker.publishing.spool.backlog import Backlog

if TYPE_CHECKING:
    from prompt_worker.publishing.spool.spool import Spool

log = logging.getLogger(__name__)

# Of a body, the service and further attributes. Raises `InvalidEventError` for an event the worker would reject.
MakeMessage = Callable[[bytes, str, dict[str, str]], Message]


class Sender:
    """Of one process and topic; a forked child makes its own. Only `flush` and `stop` wait, not beyond their time.

    `busy` is held while the thread uses Pub/Sub or the disk: no fork in between.
    """

    def __init__(
        self,
        delivery: Delivery,
        make_message: MakeMessage,
        source: str,
        outbox: Outbox,
        spool: Spool | None,
        *,
        linger: float,
    ) -> None:
        self.busy = threading.Lock()
        self.losses = Losses()
        self.backlog = Backlog(spool, self.losses)
        self.published = 0
        self.on_start: Callable[[], object] = lambda: None
        self._delivery, self._outbox, self._linger = delivery, outbox, linger
        self._make_message, self._source = make_message, source
        self._thread: threading.Thread | None = None
        self._lock = threading.RLock()
        self._wakeup = Wakeup()
        self._stop = threading.Event()
        self._rested = threading.Condition()
        self._deadline = float("inf")

    def put(self, pending: Pending) -> None:
        """Queues it; when the outbox is full, it goes to the spool or is given up."""
        if self._outbox.put(pending):
            self._wakeup.set()
            if self._thread is None:
                self._start()
        else:
            closed = self._outbox.closed
            why = "the publisher is closed" if closed else "the memory for waiting events is full"
            self.backlog.keep(self._with_messages([pending]), why)
            if closed:
                self.losses.report()

    def flush(self, timeout: float) -> bool:
        """Waits until nothing is left in memory or in the spool; False when `timeout` seconds were not enough.

        Once stopped, it does not wait: nobody sends any more.
        """
        if self._stop.is_set() and (self._thread is None or not self._thread.is_alive()):
            return not len(self._outbox) and not self.backlog.count()
        self.backlog.check()
        self._start()
        self._wakeup.set()
        with self._rested:
            return self._rested.wait_for(self._nothing_left, timeout)

    def drain(self, timeout: float) -> None:
        """Waits at most `timeout` seconds until nothing is left in memory, or Pub/Sub is known to be unavailable."""
        if self._thread is not None:
            with self._rested:
                self._rested.wait_for(
                    lambda: not len(self._outbox) or self._delivery.unavailable_for() > 0, timeout
                )

    def stop(self, timeout: float) -> int:
        """Sends what it can within `timeout` seconds; the rest goes to the spool, or is given up.

        Returns how many events wait in the spool. May be called again.
        """
        self._deadline = time.monotonic() + timeout
        self._delivery.try_now(self._deadline)
        self._stop.set()
        self._wakeup.set()
        if self._thread is None:
            # None could be started: Python is ending.
            self._run()
        elif self._thread is not threading.current_thread():
            self._thread.join(timeout)
        self._keep_rest()
        return self.backlog.close()

    def stop_unused(self) -> bool:
        """Stops it if nothing was ever given to it, without a look at its spool; False where something was."""
        if self._thread is not None or len(self._outbox):
            return False
        self._stop.set()
        self._keep_rest()
        return True

    def is_idle(self) -> bool:
        """Whether nothing was ever given to it, nor may wait in its spool."""
        return self._thread is None and not len(self._outbox) and self.backlog.spool is None

    def _keep_rest(self) -> None:
        self.backlog.keep(
            self._with_messages(self._outbox.close()), "not sent before the publisher was closed"
        )
        self.losses.report()

    def unsent(self) -> int:
        """Events in memory, those being sent included."""
        return len(self._outbox)

    def interrupt(self, seconds: float) -> None:
        """Ends a request that has taken so long already; its events wait for the next."""
        self._delivery.interrupt(seconds)

    def loading(self) -> bool:
        """Whether it is about to load the client library, or does so."""
        started = self._thread is not None and self._thread.is_alive()
        return started and not self._delivery.loaded and not _is_loaded()

    def stopped(self) -> bool:
        """Whether nothing came since it was stopped."""
        return self._outbox.closed and not len(self._outbox)

    def _start(self) -> None:
        # RuntimeError: Python is ending and starts no thread, but `stop` will be called.
        with self._lock, suppress(RuntimeError):
            if self._thread is None and not self._stop.is_set():
                thread = threading.Thread(target=self._run, name="prompt-publisher", daemon=True)
                thread.start()
                self._thread = thread
                self.on_start()

    def _run(self) -> None:
        while not self._finished():
            self._rest()
            with self.busy:
                self._safe_turn()
            with self._rested:
                self._rested.notify_all()

    def _finished(self) -> bool:
        if not self._stop.is_set():
            return False
        # Then the spool gets the rest: trying again would change nothing.
        kept = self.backlog.spool is not None and self._delivery.unavailable_for() > 0
        return self._nothing_left() or kept or time.monotonic() >= self._deadline

    def _nothing_left(self) -> bool:
        return not len(self._outbox) and not self.backlog.waiting

    def _rest(self) -> None:
        """Until there is something to do; a first event waits `linger` seconds for company."""
        pause = self._delivery.unavailable_for()
        if self._stop.is_set():
            time.sleep(min(pause, 0.1))
        elif pause and self.backlog.spool is None:
            # New events wait in memory meanwhile.
            self._stop.wait(pause)
        else:
            self._wakeup.wait(pause or self.backlog.check_interval())
            if len(self._outbox) < BATCH_EVENTS:
                self._stop.wait(self._linger)
        self._wakeup.clear()

    def _safe_turn(self) -> None:
        try:
            self._turn()
        # The thread must go on: events keep coming. The whole traceback could hold an event's text.
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            log.error("unexpected %s in %s:%s", type(error).__name__, place.filename, place.lineno)  # noqa: TRY400
            self._outbox.put_back_all()
            self._delivery.back_off()

    def _turn(self) -> None:
        """One batch from memory, then one segment of the spool, so that neither starves the other."""
        batch = self._with_messages(self._outbox.take())
        if batch:
            self._send(batch)
        if not self._delivery.unavailable_for():
            self.published += self.backlog.send(self._delivery)
        if not self._delivery.unavailable_for() and not self._nothing_left():
            self._wakeup.set()
        self.losses.report()

    def _send(self, batch: list[Pending]) -> None:
        try:
            results = self._delivery.send([pending.message for pending in batch if pending.message])
        except UnavailableError:
            self._hold(batch)
            return
        result_of = dict(zip(batch, results, strict=True))
        for pending in self._outbox.settle(batch):
            result = result_of[pending]
            if isinstance(result, UnpublishableError):
                self.losses.refuse(pending.event_id, pending.future, result, str(result))
            else:
                self.published += 1
                succeed(pending.future, result)

    def _hold(self, batch: list[Pending]) -> None:
        """Until Pub/Sub is back: on disk, or else in memory."""
        if self.backlog.spool is None:
            self._outbox.put_back(batch)
        else:
            self.backlog.keep(self._outbox.settle(batch), "Pub/Sub is unavailable")
            self.backlog.sync()

    def _with_messages(self, batch: list[Pending]) -> list[Pending]:
        """Those the worker will accept; the others are refused here, before anybody waits for them."""
        valid = []
        for pending in batch:
            try:
                pending.message = pending.message or self._make_message(
                    pending.body, self._source, pending.attributes
                )
                valid.append(pending)
            # Any other would come again at each attempt, and hold its neighbours; its text may quote the event.
            except Exception as error:
                reason = str(error) if isinstance(error, InvalidEventError) else type(error).__name__
                self._outbox.settle([pending])
                self.losses.refuse(pending.event_id, pending.future, error, reason)
        return valid


def _is_loaded() -> bool:
    module = sys.modules.get("prompt_worker.publishing.connection")
    return module is not None and not getattr(module.__spec__, "_initializing", False)
