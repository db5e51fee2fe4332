"""What Pub/Sub accepts at most: https://cloud.google.com/pubsub/quotas#resource_limits.

Each limit is said here alone. This module imports nothing of Google's, so that a publishing service can read it too.
"""

from __future__ import annotations

from datetime import timedelta

# A message: its data together with its attributes, their number, and the UTF-8 of one.
MESSAGE_BYTES = 10_000_000
MESSAGE_ATTRIBUTES = 100
ATTRIBUTE_KEY_BYTES = 256
ATTRIBUTE_VALUE_BYTES = 1_024

# A publish request. Its bytes are counted with the topic's name and the framing of each message.
REQUEST_BYTES = 10_000_000
REQUEST_MESSAGES = 1_000

# A pull brings no more messages than this, whatever it asks for.
PULL_MESSAGES = 1_000

# A request that acknowledges messages or extends their leases. An ack id has about 210 bytes.
SETTLE_BYTES = 524_288
SETTLE_ACK_IDS = 2_000

# A pushed message is wrapped in JSON: its data in base64 has 13.34 MB at most, and an attribute may be written as six
# times its length (\u0000). Both together stay below this.
PUSHED_BYTES = 14_000_000

# Policies: a subscription's and a topic's retention, a subscription's ack deadline and deliveries.
RETENTION = timedelta(days=31)
ACK_DEADLINE_SECONDS = 600
DELIVERY_ATTEMPTS = 100

# Google's emulator accepts less than the service.
EMULATOR_RETENTION = timedelta(days=7)
