"""The known types of personal data, and the names that owners use for them."""

from prompt_worker.guardrails.detectors.entities.card import CREDIT_CARD
from prompt_worker.guardrails.detectors.entities.email import EMAIL_ADDRESS
from prompt_worker.guardrails.detectors.entities.entity import Entity, Found
from prompt_worker.guardrails.detectors.entities.iban import IBAN_CODE
from prompt_worker.guardrails.detectors.entities.phone import PHONE_NUMBER
from prompt_worker.guardrails.detectors.entities.ssn import US_SSN

# In the order of precedence where two of them match the same characters.
ENTITIES = (EMAIL_ADDRESS, IBAN_CODE, CREDIT_CARD, US_SSN, PHONE_NUMBER)

_BY_NAME = {entity.name: entity for entity in ENTITIES}
_OTHER_NAMES = {
    "SSN": US_SSN,
    "SOCIAL_SECURITY_NUMBER": US_SSN,
    "CARD": CREDIT_CARD,
    "CREDIT_CARD_NUMBER": CREDIT_CARD,
    "CARD_NUMBER": CREDIT_CARD,
    "PHONE": PHONE_NUMBER,
    "TELEPHONE": PHONE_NUMBER,
    "EMAIL": EMAIL_ADDRESS,
    "IBAN": IBAN_CODE,
    "BANK_ACCOUNT": IBAN_CODE,
}


def entity_named(name: str) -> Entity | None:
    """The entity that an owner means, in any case, with spaces, dashes or underscores; None where none is known."""
    wanted = name.strip().upper().replace(" ", "_").replace("-", "_")
    return _BY_NAME.get(wanted) or _OTHER_NAMES.get(wanted)


__all__ = ["CREDIT_CARD", "ENTITIES", "Entity", "Found", "entity_named"]
