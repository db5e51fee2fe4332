"""Which dead letters: conditions combined with AND, as SQL with bound parameters."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, get_args
from uuid import UUID

Status = Literal["pending", "replayed", "resolved", "discarded"]
# Who put a message on the dead-letter topic.
DeadLetteredBy = Literal["worker", "pubsub", "other"]
# The worker whose event it is.
WorkerName = Literal["executions", "guardrails", "feedback"]

STATUSES: tuple[Status, ...] = get_args(Status)
DEAD_LETTERED_BY: tuple[DeadLetteredBy, ...] = get_args(DeadLetteredBy)
WORKER_NAMES: tuple[WorkerName, ...] = get_args(WorkerName)

_PREFIX = "filter_"
LOWEST_ID = UUID(int=0)  # less than the id of every dead letter

# Over `dead_letter_events AS d`. A reason is found by a part of it, in any case of ASCII letters, which is quicker.
_CONDITIONS = {
    "reason": 'strpos(lower(d.reason COLLATE "C"), lower(%(filter_reason)s COLLATE "C")) > 0',
    "error_class": "d.error_class = %(filter_error_class)s",
    "template": "d.template_name = %(filter_template)s",
    "environment": "d.environment = %(filter_environment)s",
    "source": "d.source = %(filter_source)s",
    "consumer": "d.consumer = %(filter_consumer)s",
    "since": "d.last_seen >= %(filter_since)s",
    "until": "d.last_seen < %(filter_until)s",
    "event_id": "d.event_id = %(filter_event_id)s::uuid",
    "statuses": "d.status = ANY(%(filter_statuses)s)",
}


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Matches what meets all conditions given; without any, every dead letter.

    `since` (inclusive) and `until` (exclusive) bound when it was last seen; `reason` is a part of the reason.
    """

    reason: str | None = None
    error_class: str | None = None
    template: str | None = None
    environment: str | None = None
    source: DeadLetteredBy | None = None
    consumer: WorkerName | None = None
    since: datetime | None = None
    until: datetime | None = None
    event_id: UUID | None = None
    statuses: tuple[Status, ...] = ()

    def where(self, **own: object) -> tuple[str, dict[str, object]]:
        """A condition over `d`, a row of `dead_letter_events`, and all parameters of its statement for psycopg2.

        `own` are the statement's; those of the condition have a prefix that no other has, so that neither can take
        the other's place.
        """
        given = self._given()
        condition = " AND ".join(_CONDITIONS[name] for name in given) or "true"
        parameters = {f"{_PREFIX}{name}": _bound(value) for name, value in given.items()}
        if taken := [name for name in own if name.startswith(_PREFIX)]:
            raise ValueError(f"{', '.join(taken)}: a statement's own parameter has no prefix {_PREFIX}")
        return condition, parameters | own

    def as_json(self) -> dict[str, Any]:
        """The conditions given, by name, as values that JSON has."""
        return {name: _plain(value) for name, value in self._given().items()}

    def describe(self) -> str:
        """For people, such as `reason with "no template", status pending or replayed`; `all` without conditions."""
        return ", ".join(_described(name, value) for name, value in self.as_json().items()) or "all"

    def _given(self) -> dict[str, object]:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None and value != ()}


def _bound(value: object) -> object:
    if isinstance(value, UUID):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return _bound(value)


def _described(name: str, value: Any) -> str:
    if name == "statuses":
        return f"status {' or '.join(value)}"
    if name == "reason":
        return f'reason with "{value}"'
    return f"{name.replace('_', ' ')} {value}"
