"""What waits in this process's publishers, as metrics.

Imports OpenTelemetry, which comes with the client library: import it only once something is sent.
"""

from __future__ import annotations

import threading
from functools import cache

from prompt_worker.platform import telemetry
from prompt_worker.publishing.processes import senders

_registering = threading.Lock()


def watch() -> None:
    """One reading for all publishers together; later calls have no effect."""
    with _registering:
        _register()


@cache
def _register() -> None:
    telemetry.watch("unsent_events", unsent_events)
    telemetry.watch("spool", spool_bytes)


def unsent_events() -> int:
    """Events in memory."""
    return sum(sender.unsent() for sender in senders())


def spool_bytes() -> int:
    """Bytes of events on disk, for this process or another; a folder that publishers share counts once."""
    spools = [sender.backlog.spool for sender in senders()]
    return sum({spool.folder: spool.size() for spool in spools if spool is not None}.values())
