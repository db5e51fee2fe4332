"""The secret for the HMACs of matches, by which the same match is known again without being stored."""

from __future__ import annotations

import hashlib
import logging

from prompt_worker.guardrails.finding import HashKey
from prompt_worker.platform.settings import GuardrailSettings

log = logging.getLogger(__name__)


def open_key(settings: GuardrailSettings) -> HashKey | None:
    """None when none is set: violations are then recorded without an HMAC, since one under a key that nobody keeps
    would never be recognised again, and safety does not wait for a secret."""
    if settings.hmac_key is None:
        log.warning(
            "PROMPT_WORKER_HMAC_KEY is not set: violations are recorded without the keyed hash of what matched. "
            "Set a secret of 32 characters or more, the same for all guardrail workers"
        )
        return None
    secret = settings.hmac_key.encode()
    # A new key gets a new id by itself; of 32 random characters no digest tells anything.
    key_id = hashlib.sha256(b"prompt-worker hmac key id\0" + secret).hexdigest()[:8]
    return HashKey(settings.hmac_key_id or key_id, secret)
