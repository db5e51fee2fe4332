"""What a replayed event carries beside its body."""

from __future__ import annotations

from uuid import UUID

from google.pubsub_v1.types import PubsubMessage

from prompt_worker.deadletters.replay.provenance import Provenance
from prompt_worker.platform.pubsub.limits import MESSAGE_ATTRIBUTES, MESSAGE_BYTES

REPLAY = UUID(int=7)
ADA = Provenance("ada", REPLAY)


def test_provenance_replaces_attributes_of_the_failure() -> None:
    attributes = ADA.attributes(
        {
            "ce-type": "prompt.execution.v1",
            "own": "é",
            "dead-letter-reason": "x",
            "CloudPubSubDeadLetterSourceDeliveryCount": "100",
            "replay-count": "1",
            "replay-by": "grace",
        },
        1,
        100,
    )
    assert attributes.pop("replay-at")
    assert attributes == {
        "ce-type": "prompt.execution.v1",
        "own": "é",
        "replay-id": str(REPLAY),
        "replay-count": "2",
        "replay-by": "ada",
    }


def test_full_message_keeps_its_own_attributes_only() -> None:
    own = {f"a{n:03}": "v" for n in range(MESSAGE_ATTRIBUTES)}
    assert ADA.attributes(own, 0, 100) == own
    room = 60
    attributes = ADA.attributes({"ce-type": "prompt.execution.v1"}, 0, MESSAGE_BYTES - room)
    assert attributes == {"ce-type": "prompt.execution.v1"}


def test_replayed_message_is_within_the_service_limit() -> None:
    body = b"x" * (MESSAGE_BYTES - 200)
    message = PubsubMessage(data=body, attributes=ADA.attributes({"ce-id": "1"}, 0, len(body)))
    assert PubsubMessage.pb(message).ByteSize() <= MESSAGE_BYTES


def test_long_operator_name_is_cut_to_an_attribute() -> None:
    attributes = Provenance("é" * 2000, REPLAY).attributes({}, 0, 0)
    assert attributes["replay-by"] == "é" * 512
