"""What an evaluator finds: where, by which rule, how surely. Never the matched text itself."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from uuid import UUID

from prompt_worker.guardrails.detectors.entities import CREDIT_CARD
from prompt_worker.guardrails.guardrail import Action, Severity

_SHORTEST_CARD = 12  # digits: of fewer, the last four would show too much


@dataclass(frozen=True, slots=True)
class HashKey:
    """The secret of the keyed hashes of matches: whoever has it recognises the same match in other events."""

    id: str
    secret: bytes = field(repr=False)

    def digest(self, matched: str) -> str:
        """HMAC-SHA-256 (RFC 2104), 64 hexadecimal digits."""
        return hmac.new(self.secret, matched.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Finding:
    """A violation, ready to be recorded.

    `start` and `end` are characters of the text named `field`, `score` is from 0 to 1. `match_hmac` and `hmac_key_id`
    are None where no key was given.
    """

    guardrail_id: UUID | None
    guardrail_name: str
    guardrail_type: str
    config_hash: str
    severity: Severity
    action: Action
    field: str
    rule: str
    start: int
    end: int
    score: float
    preview: str
    match_hmac: str | None
    hmac_key_id: str | None
    detector_version: str


def preview(rule: str, matched: str) -> str:
    """What people are shown instead of the match: its rule, and of a card the last four digits."""
    if rule != CREDIT_CARD.name:
        return f"<{rule}>"
    digits = "".join(str(int(character)) for character in matched if character.isdecimal())
    return f"<{rule} …{digits[-4:]}>" if len(digits) >= _SHORTEST_CARD else f"<{rule}>"
