"""The attributes of a replayed event: its publisher's as they were, and who sent it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from prompt_worker.consuming.rejection import fitting
from prompt_worker.platform.pubsub.limits import ATTRIBUTE_VALUE_BYTES

# Of its last failure: a worker or Pub/Sub writes them again when it fails again.
_OF_THE_FAILURE = ("dead-letter-", "CloudPubSubDeadLetterSource")
_OURS = "replay-"


@dataclass(frozen=True)
class Provenance:
    """Who replays, and the id of the replay: that of its row in `dead_letter_actions`."""

    by: str
    replay: UUID

    def attributes(
        self, of_the_event: Mapping[str, str], times_replayed: int, body_bytes: int
    ) -> dict[str, str]:
        """Those of the message to send; beyond what Pub/Sub accepts, the publisher's own come first."""
        own = {
            name: value
            for name, value in of_the_event.items()
            if not name.startswith((*_OF_THE_FAILURE, _OURS))
        }
        ours = {
            "replay-id": str(self.replay),
            "replay-count": str(times_replayed + 1),
            "replay-at": datetime.now(UTC).isoformat(timespec="seconds"),
            "replay-by": self.by.encode()[:ATTRIBUTE_VALUE_BYTES].decode(errors="ignore"),
        }
        return fitting(own | ours, body_bytes)
