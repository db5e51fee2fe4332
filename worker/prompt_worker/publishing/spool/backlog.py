"""Events that cannot be sent now: on disk where there is a spool, or else nowhere; and back from there."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from msgspec.json import encode as to_json

from prompt_worker.publishing.delivery import Delivery
from prompt_worker.publishing.losses import Losses, succeed
from prompt_worker.publishing.outbox import Pending
from prompt_worker.publishing.spool.resend import resend

if TYPE_CHECKING:
    from prompt_worker.publishing.spool.spool import Spool

log = logging.getLogger(__name__)
Result = TypeVar("Result")

SPOOLED = "spooled"
# Between checks for what a dead process left.
_CHECK_SECONDS = 30.0


class Backlog:
    """`waiting` says whether the spool may hold something to send; `spooled` counts what was put there."""

    def __init__(self, spool: Spool | None, losses: Losses) -> None:
        self.spool = spool
        self.spooled = 0
        self.waiting = False
        self._losses = losses
        self._check_at = 0.0
        self._trouble = ""
        self._lock = threading.RLock()

    def keep(self, batch: Sequence[Pending], why: str) -> None:
        """On disk, or given up because of `why`."""
        if self.spool is not None and batch:
            try:
                self.spool.append(to_json(pending.message) for pending in batch)
            except OSError as error:
                why = f"{why}, and the spool failed: {error.strerror or error}"
            else:
                with self._lock:
                    self.spooled += len(batch)
                self.waiting = True
                for pending in batch:
                    succeed(pending.future, SPOOLED)
                return
        self._losses.give_up([(pending.event_id, pending.future) for pending in batch], why)

    def check(self) -> None:
        """Assumes that something waits; the next `send` finds out."""
        self.waiting = self.spool is not None
        self._check_at = time.monotonic() + _CHECK_SECONDS

    def send(self, delivery: Delivery) -> int:
        """Sends one segment, if any waits; how many events went out."""
        if time.monotonic() >= self._check_at:
            self.check()
        if self.spool is None or not self.waiting:
            return 0
        # Before the claim: other threads may add meanwhile.
        self.waiting = False
        segment = self._attempt(self.spool.claim, None)
        if segment is None:
            return 0
        self.waiting = True
        try:
            return resend(segment, delivery, self._losses)
        except OSError as error:
            self.spool.skip(segment, error)
            return 0

    def check_interval(self) -> float | None:
        """Seconds after which to check again; None where there is no spool."""
        return None if self.spool is None else _CHECK_SECONDS

    def sync(self) -> None:
        """Waits until what was kept is on the disk itself."""
        if self.spool is not None:
            self._attempt(self.spool.sync, None)

    def count(self) -> int:
        """The events that wait on disk."""
        return 0 if self.spool is None else self._attempt(self.spool.count, 0)

    def close(self) -> int:
        """Leaves the spool to others; how many events wait there."""
        if self.spool is None:
            return 0
        self.sync()
        self._attempt(self.spool.close, None)
        count = self.count()
        if count:
            log.warning("%d events wait in %s for the next process", count, self.spool.folder)
        return count

    def _attempt(self, action: Callable[[], Result], otherwise: Result) -> Result:
        """What `action` returns, or `otherwise` where the disk fails: that stops nobody, and is logged once."""
        try:
            return action()
        except OSError as error:
            trouble = error.strerror or str(error)
            if trouble != self._trouble:
                log.error("the spool fails, %s", trouble)  # noqa: TRY400
            self._trouble = trouble
            return otherwise
