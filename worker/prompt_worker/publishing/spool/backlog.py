"""Events that cannot be sent now: on disk where there is a spool, or else nowhere; and back from there."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.json import encode as to_json

from prompt_worker.publishing.delivery import Post
from prompt_worker.publishing.losses import Drops, succeed
from prompt_worker.publishing.outbox import Pending
from prompt_worker.publishing.spool.resend import resend

if TYPE_CHECKING:
    from prompt_worker.publishing.spool.spool import Spool

log = logging.getLogger(__name__)

SPOOLED = "spooled"
_LOOK_S = 30.0  # how often to look for what a dead process left


class Backlog:
    """`waits` says whether the spool holds something that may be sent; `spooled` counts what was put there."""

    def __init__(self, spool: Spool | None, drops: Drops) -> None:
        self.spool = spool
        self.spooled = 0
        self.waits = False
        self._drops = drops
        self._look_at = 0.0
        self._lock = threading.RLock()

    def keep(self, batch: Sequence[Pending], why: str) -> None:
        """On disk, or given up because of `why`."""
        if self.spool is not None and batch:
            try:
                self.spool.append(to_json(pending.message) for pending in batch)
            except OSError as error:
                why = f"{why}, and the spool takes no more: {error.strerror or error}"
            else:
                with self._lock:
                    self.spooled += len(batch)
                self.waits = True
                for pending in batch:
                    succeed(pending.future, SPOOLED)
                return
        self._drops.give_up([(pending.event_id, pending.future) for pending in batch], why)

    def look(self) -> None:
        """Assumes that something waits, until `send` knows better."""
        self.waits = self.spool is not None
        self._look_at = time.monotonic() + _LOOK_S

    def send(self, post: Post) -> int:
        """One segment, if any waits; how many events went out."""
        if time.monotonic() >= self._look_at:
            self.look()
        if self.spool is None or not self.waits:
            return 0
        self.waits = False  # before looking: other threads may add meanwhile
        segment = self.spool.claim()
        if segment is None:
            return 0
        self.waits = True
        return resend(segment, post, self._drops)

    def pause(self) -> float | None:
        """Seconds after which to look again; None where there is no spool."""
        return None if self.spool is None else _LOOK_S

    def sync(self) -> None:
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
