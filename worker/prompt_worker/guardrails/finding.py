"""What an evaluator finds: where, by which rule, how surely. Never the matched text itself."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from uuid import UUID

from prompt_worker.guardrails.guardrail import Action, Severity

CARD = "CREDIT_CARD"


@dataclass(frozen=True, slots=True, order=True)
class Match:
    """A place in one text: `start` and `end` in characters of the raw text, `score` from 0 to 1."""

    start: int
    end: int
    rule: str
    score: float


@dataclass(frozen=True, slots=True)
class HashKey:
    """The secret of the HMACs of matches: with it the same match is known again in other events, else not."""

    id: str
    secret: bytes = field(repr=False)

    def digest(self, matched: str) -> str:
        """HMAC-SHA-256 in hexadecimal."""
        return hmac.new(self.secret, matched.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Finding:
    """A violation, ready to be recorded. `match_hmac` and `hmac_key_id` are None where no key was given."""

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
    if rule != CARD:
        return f"<{rule}>"
    digits = "".join(str(int(character)) for character in matched if character.isdecimal())
    return f"<{rule} …{digits[-4:]}>" if len(digits) >= 12 else f"<{rule}>"
