"""The secret of the keyed hashes of matches, by which the same match is recognised without being stored."""

from __future__ import annotations

import hashlib
import logging

from prompt_worker.guardrails.finding import HashKey
from prompt_worker.platform.settings import GuardrailSettings

log = logging.getLogger(__name__)


def open_key(settings: GuardrailSettings) -> HashKey | None:
    """The key in the settings; None, with a warning, where none is set: violations are then recorded without a hash.

    A hash under a random key would never be recognised again, and guardrails do not wait for a secret.
    """
    if settings.hmac_key is None:
        log.warning(
            "PROMPT_WORKER_HMAC_KEY is not set: violations are recorded without the keyed hash of what matched. "
            "Set a secret of 32 characters or more, the same for all guardrail workers"
        )
        return None
    secret = settings.hmac_key.encode()
    # A new key gets a new id automatically; a digest of 32 random characters reveals nothing of them.
    key_id = hashlib.sha256(b"prompt-worker hmac key id\0" + secret).hexdigest()[:8]
    return HashKey(settings.hmac_key_id or key_id, secret)
