"""How a command asks Pub/Sub, with somebody waiting for it; and what it says where there is no answer."""

from __future__ import annotations

from typing import Any

from google.api_core.exceptions import DeadlineExceeded, GoogleAPIError, RetryError, ServiceUnavailable
from google.api_core.retry import Retry, if_exception_type

from prompt_worker.platform.failures import DeploymentError

# Seconds for one question, all attempts together. The library itself goes on for a minute, without a word.
SECONDS = 10.0

# For calls of the generated clients.
PATIENCE: dict[str, Any] = {
    "timeout": SECONDS,
    "retry": Retry(
        predicate=if_exception_type(ServiceUnavailable), initial=0.1, maximum=1.0, timeout=SECONDS
    ),
}


def unanswered(error: GoogleAPIError, project: str, needs: str) -> DeploymentError:
    """The wording for a Pub/Sub that does not answer or refuses; `needs` says which rights the question needs."""
    if isinstance(error, RetryError | ServiceUnavailable | DeadlineExceeded):
        return DeploymentError(
            f"Pub/Sub in project {project} does not answer: {type(error).__name__}. "
            "Is it reachable from here, and PUBSUB_EMULATOR_HOST right?"
        )
    why = getattr(error, "message", type(error).__name__)
    return DeploymentError(f"Pub/Sub in project {project} refuses: {why}. {needs}")
