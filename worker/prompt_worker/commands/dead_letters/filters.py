"""The filters that commands on dead letters have in common."""

from __future__ import annotations

import argparse
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prompt_worker.deadletters.filters import DEAD_LETTERED_BY, STATUSES, WORKER_NAMES, Filter

_AGES = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def add_filters(parser: argparse.ArgumentParser, *, statuses: str = "all") -> None:
    """Adds the options that `filter_of` reads; `statuses` says what is meant without `--status`."""
    add = parser.add_argument_group("filters (combined with AND)").add_argument
    add("--reason", metavar="TEXT", help="only those whose reason contains TEXT")
    add("--error-class", metavar="NAME", help="such as unknown_template or invalid_field")
    add("--template", metavar="NAME", help="template that the event names")
    add("--environment", metavar="NAME", help="environment that the event names")
    add(
        "--source",
        choices=DEAD_LETTERED_BY,
        metavar="WHO",
        help="who dead-lettered the event: worker, pubsub or other",
    )
    add(
        "--consumer",
        choices=WORKER_NAMES,
        metavar="WORKER",
        help="worker that rejected the event: executions, guardrails or feedback",
    )
    add(
        "--since",
        type=parse_when,
        metavar="TIME",
        help="last seen at TIME or later: an age such as 2h or 3d, or a time such as 2026-11-23T08:00Z",
    )
    add("--until", type=parse_when, metavar="TIME", help="last seen before TIME")
    add("--event-id", type=UUID, metavar="ID", help="dead letters of this event")
    add(
        "--status",
        action="append",
        choices=STATUSES,
        default=[],
        metavar="STATUS",
        help=f"pending, replayed, resolved or discarded; repeat it to match several (default: {statuses})",
    )


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
    with suppress(ValueError, OverflowError):
        if age := re.fullmatch(r"(\d{1,6})([smhd])", text):
            return datetime.now(UTC) - timedelta(**{_AGES[age[2]]: int(age[1])})
        time = datetime.fromisoformat(text)
        if time.tzinfo is not None:
            return time.astimezone(UTC)
    raise argparse.ArgumentTypeError(
        f"{text}: expected an age such as 2h or 3d, or a time with an offset such as 2026-11-23T08:00:00Z"
    )
