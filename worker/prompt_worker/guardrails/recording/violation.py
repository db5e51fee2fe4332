"""A violation as it is recorded and announced: where and by which rule, never what."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from prompt_worker.guardrails.evaluation import Evaluation
from prompt_worker.guardrails.finding import Finding
from prompt_worker.guardrails.recording.received import Received, label

VIOLATIONS_LIMIT = 1000  # of one event: enough to act on


class Violation(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """A row of `guardrail_violations`; fields as its columns."""

    id: UUID
    event_id: UUID
    source: Literal["worker", "inline"]
    repeated: bool
    guardrail_id: UUID | None = None
    guardrail_name: str
    guardrail_type: str | None = None
    config_hash: str | None = None
    severity: str | None = None
    action: str | None = None
    template_name: str | None = None
    user_id: str | None = None
    environment: str | None = None
    field: str
    rule: str
    span_start: int | None = None
    span_end: int | None = None
    score: float | None = None
    preview: str | None = None
    match_hmac: str | None = None
    hmac_key_id: str | None = None
    detector_version: str | None = None
    executed_at: datetime


def violations(event: Received, evaluation: Evaluation) -> list[Violation]:
    """Of one event: what the worker found, then what came inline; at most `VIOLATIONS_LIMIT` of each."""
    if not evaluation.findings and not event.guardrail_violations:
        return []
    strictest_first = sorted(evaluation.findings, key=lambda finding: _STRICT.get(finding.action, 3))
    executed_at = event.time()
    found = [_found(event, executed_at, finding) for finding in strictest_first[:VIOLATIONS_LIMIT]]
    return [*found, *_inline(event, executed_at, {one.guardrail_name for one in found})]


_STRICT = {"block": 0, "warn": 1, "log": 2}


def _found(event: Received, executed_at: datetime, finding: Finding) -> Violation:
    return Violation(
        id=violation_id(
            event.event_id, finding.guardrail_name, finding.field, finding.rule, finding.start, finding.end
        ),
        event_id=event.event_id,
        source="worker",
        repeated=False,
        guardrail_id=finding.guardrail_id,
        guardrail_name=finding.guardrail_name,
        guardrail_type=finding.guardrail_type,
        config_hash=finding.config_hash,
        severity=finding.severity,
        action=finding.action,
        template_name=label(event.template_name),
        user_id=label(event.user_id),
        environment=label(event.environment, 50),
        field=finding.field[:255],
        rule=finding.rule[:255],
        span_start=finding.start,
        span_end=finding.end,
        score=finding.score,
        preview=finding.preview[:255],
        match_hmac=finding.match_hmac,
        hmac_key_id=finding.hmac_key_id,
        detector_version=finding.detector_version,
        executed_at=executed_at,
    )


def _inline(event: Received, executed_at: datetime, found: set[str]) -> Iterator[Violation]:
    """Inline violations, without their details: these may hold anything, and remain in the event."""
    for position, reported in enumerate(event.inline_violations(VIOLATIONS_LIMIT)):
        name = label(reported.get("guardrail_name")) or "unknown"
        field = f"guardrail_violations[{position}]"
        yield Violation(
            id=violation_id(event.event_id, name, field, "inline"),
            event_id=event.event_id,
            source="inline",
            repeated=name in found,
            guardrail_name=name,
            guardrail_type=label(reported.get("guardrail_type"), 100),
            severity=label(reported.get("severity"), 50),
            action=label(reported.get("action"), 50),
            template_name=label(event.template_name),
            user_id=label(event.user_id),
            environment=label(event.environment, 50),
            field=field,
            rule="inline",
            executed_at=executed_at,
        )


def violation_id(event_id: UUID, *place: object) -> UUID:
    """An id that is the same at every delivery.

    A UUID of version 7 (RFC 9562, 5.7): the event's milliseconds, then a hash of its id and the violation's place.
    """
    digest = hashlib.sha256(repr((event_id.hex, *place)).encode("utf-8", "surrogatepass")).digest()
    number = int.from_bytes(event_id.bytes[:6] + digest[:10])
    number = number & ~(0xF << 76) | 7 << 76
    return UUID(int=number & ~(0b11 << 62) | 0b10 << 62)


def to_json(violations: Sequence[Violation]) -> str:
    """An array, as `write_violations.sql` reads it."""
    return msgspec.json.encode(violations).decode()
