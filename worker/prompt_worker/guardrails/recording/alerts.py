"""Alerts: each `block` or `critical` violation, announced within seconds, by identifiers, types and spans only.

It is announced before it is recorded, so that a crash between the two loses none. The id is the violation's, the same
at every delivery: subscribers recognise repeats by it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec
from google.api_core.exceptions import Forbidden, GoogleAPIError, NotFound, Unauthenticated
from google.pubsub_v1.types import PubsubMessage
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    retry_if_not_exception_type,
    stop_when_event_set,
    wait_random_exponential,
)
from tenacity.nap import sleep_using_event

from prompt_worker.guardrails.recording.violation import Violation
from prompt_worker.platform import telemetry
from prompt_worker.platform.failures import DeploymentError
from prompt_worker.platform.process import health
from prompt_worker.platform.pubsub.topic import Topic

log = logging.getLogger(__name__)

EVENT_TYPE = "prompt.guardrail.violation.v1"
SOURCE = "prompt-worker/guardrails"
PUBLISH_TIMEOUT = 4.0  # seconds; a worker that stops waits for at most one

_REFUSED = (NotFound, Forbidden, Unauthenticated)


class Alert(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The message's body, as JSON. The user's id, which may identify a person, is only in the row, which `id` finds."""

    id: UUID
    event_id: UUID
    source: str
    guardrail_id: UUID | None = None
    guardrail_name: str
    guardrail_type: str | None = None
    severity: str | None = None
    action: str | None = None
    template_name: str | None = None
    environment: str | None = None
    field: str
    rule: str
    span_start: int | None = None
    span_end: int | None = None
    score: float | None = None
    detector_version: str | None = None
    executed_at: datetime


def deserves_alert(violation: Violation) -> bool:
    """Whether it is urgent; one that came inline and was found here too is announced once."""
    return not violation.repeated and (violation.action == "block" or violation.severity == "critical")


class AlertTopic:
    """Publishes alerts until Pub/Sub has them; a set `stop` ends all retrying."""

    def __init__(self, topic: Topic, stop: threading.Event) -> None:
        self._topic = topic
        self._retrying = Retrying(
            retry=retry_if_exception_type(GoogleAPIError) & retry_if_not_exception_type(_REFUSED),
            wait=wait_random_exponential(multiplier=0.1, max=5.0),
            stop=stop_when_event_set(stop),
            sleep=sleep_using_event(stop),
            before_sleep=_report_retry,
            reraise=True,
        )

    def publish(self, violations: Sequence[Violation]) -> bool:
        """Publishes those that deserve it. False when stopped before Pub/Sub had them all.

        Raises `DeploymentError` when the topic does not exist or may not be published to.
        """
        messages = [_message(violation) for violation in violations if deserves_alert(violation)]
        try:
            refused = self._retrying(self._topic.publish, messages, timeout=PUBLISH_TIMEOUT, retry=False)
        except _REFUSED as error:
            raise DeploymentError(
                f"Pub/Sub refuses to publish to {self._topic.path}: {type(error).__name__}. Run 'prompt-worker topics' "
                "to create it, or grant roles/pubsub.publisher on it; 'prompt-worker doctor' checks both."
            ) from None
        except GoogleAPIError:
            return False
        if refused:
            log.error(
                "%d alerts given up: Pub/Sub does not accept them; the violations are stored", len(refused)
            )
        if len(messages) > len(refused):
            telemetry.count("alerts", len(messages) - len(refused))
        return True


class Unannounced(AlertTopic):
    """For a rehearsal: publishes nothing."""

    def __init__(self) -> None:
        pass

    def publish(self, violations: Sequence[Violation]) -> bool:
        return True


def _message(violation: Violation) -> PubsubMessage:
    alert = msgspec.convert(violation, Alert, from_attributes=True)
    attributes = {
        "ce-specversion": "1.0",
        "ce-id": str(alert.id),
        "ce-type": EVENT_TYPE,
        "ce-source": SOURCE,
        "ce-time": datetime.now(UTC).isoformat(),
    }
    filters = {"severity": alert.severity, "action": alert.action, "guardrail_type": alert.guardrail_type}
    return PubsubMessage(
        data=msgspec.json.encode(alert),
        attributes=attributes | {name: value for name, value in filters.items() if value},
    )


def _report_retry(attempt: RetryCallState) -> None:
    health.moved()
    error = attempt.outcome.exception() if attempt.outcome else None
    telemetry.count("alert_errors", error=type(error).__name__)
    log.warning("alerts: %s; attempt %d failed, trying again", type(error).__name__, attempt.attempt_number)
