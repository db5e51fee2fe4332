"""The conditions that every command on dead letters takes: all given ones must hold."""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prompt_worker.deadletters.filters import CONSUMERS, SOURCES, STATUSES, Filter

_AGES = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def add_filters(parser: argparse.ArgumentParser) -> None:
    """Read back by `filter_of`."""
    filters = parser.add_argument_group("which dead letters (all that is given must hold)")
    add = filters.add_argument
    add("--reason", metavar="TEXT", help="their reason holds this")
    add("--error-class", metavar="NAME", help="such as unknown_template, invalid_field")
    add("--template", metavar="NAME", help="the template that their event names")
    add("--environment", metavar="NAME")
    add("--source", choices=SOURCES, help="who put them there: a worker with its reason, or Pub/Sub itself")
    add("--consumer", choices=CONSUMERS, help="whose they are")
    add("--since", type=parse_when, metavar="TIME", help="last seen then or later: 2h, 3d, 2026-11-23T08:00Z")
    add("--until", type=parse_when, metavar="TIME", help="last seen before then")
    add("--event-id", type=UUID, metavar="ID")
    add("--status", action="append", choices=STATUSES, default=[], help="can be given several times")


def filter_of(options: argparse.Namespace) -> Filter:
    return Filter(
        reason=options.reason,
        error_class=options.error_class,
        template=options.template,
        environment=options.environment,
        source=options.source,
        consumer=options.consumer,
        since=options.since,
        until=options.until,
        event_id=options.event_id,
        statuses=tuple(options.status),
    )


def parse_when(text: str) -> datetime:
    """`90s`, `30m`, `2h` or `3d` ago, or a time in ISO format with an offset.

    Raises `argparse.ArgumentTypeError`.
    """
    if age := re.fullmatch(r"(\d{1,6})([smhd])", text):
        return datetime.now(UTC) - timedelta(**{_AGES[age[2]]: int(age[1])})
    try:
        time: datetime | None = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise argparse.ArgumentTypeError(
            f"{text}: an age such as 2h or 3d is wanted, or a time with an offset such as 2026-11-23T08:00:00Z"
        )
    return time.astimezone(UTC)
