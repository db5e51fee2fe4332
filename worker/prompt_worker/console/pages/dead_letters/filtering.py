"""The filters of dead letters, as an address has them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from prompt_worker.console.pages.named import Name, Reason
from prompt_worker.deadletters.filters import Filter, Status, WorkerName


class Filtered(msgspec.Struct):
    """Combined with AND, as those of the commands are."""

    reason: Reason | None = None
    error_class: Annotated[str, Meta(max_length=100)] | None = None
    template: Name | None = None
    environment: Annotated[str, Meta(max_length=50)] | None = None
    consumer: WorkerName | None = None
    status: Status | None = None
    since: datetime | None = None
    until: datetime | None = None
    event_id: UUID | None = None

    @property
    def filter(self) -> Filter:
        return Filter(
            reason=self.reason,
            error_class=self.error_class,
            template=self.template,
            environment=self.environment,
            consumer=self.consumer,
            since=self.since,
            until=self.until,
            event_id=self.event_id,
            statuses=(self.status,) if self.status else (),
        )

    @property
    def fields(self) -> dict[str, object]:
        """For an address."""
        return {name: getattr(self, name) for name in Filtered.__struct_fields__}
