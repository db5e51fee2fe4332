"""What most measurements share: the services, a migrated database, and one backlog of events in three forms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.benchmarks.broker import Backlog
from tests.benchmarks.events import bodies, copy_input
from tests.benchmarks.services import Database, Services

Report = Callable[[str], None]


@dataclass(frozen=True)
class Stage:
    """`report` says what is being done. `messages` wait in `backlog`; `copy_body` is one COPY of the same rows."""

    services: Services
    database: Database
    report: Report
    messages: Sequence[bytes]
    copy_body: bytes
    backlog: Backlog

    @classmethod
    def set(cls, services: Services, database: Database, report: Report, events: int) -> Stage:
        report(f"making and publishing {events:,} events")
        messages = bodies(events, database.templates())
        backlog = Backlog(services.emulator.host)
        backlog.publish(messages)
        return cls(services, database, report, messages, copy_input(messages), backlog)
