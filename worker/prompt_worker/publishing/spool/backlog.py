"""Events that cannot be sent now: on disk where there is a spool, or else nowhere; and back from there."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.json import encode as to_json

from prompt_worker.publishing.delivery import Delivery
from prompt_worker.publishing.losses import Losses, succeed
from prompt_worker.publishing.outbox import Pending
from prompt_worker.publishing.spool.resend import resend

if TYPE_CHECKING:
    from prompt_worker.publishing.spool.spool import Spool

log = logging.getLogger(__name__)

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
        segment = self.spool.claim()
        if segment is None:
            return 0
        self.waiting = True
        return resend(segment, delivery, self._losses)

    def check_interval(self) -> float | None:
        """Seconds after which to check again; None where there is no spool."""
        return None if self.spool is None else _CHECK_SECONDS

    def sync(self) -> None:
        """Waits until what was kept is on the disk itself."""
        if self.spool is not None:
            self.spool.sync()

    def close(self) -> int:
        """Leaves the spool to others; how many events wait there."""
        if self.spool is None:
            return 0
        self.spool.sync()
        self.spool.close()
        count = self.spool.count()
        if count:
            log.warning("%d events wait in %s for the next process", count, self.spool.folder)
        return count
