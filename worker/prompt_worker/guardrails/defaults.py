"""The guardrails of a new database, for use without one. Personal data: all known entities."""

from pathlib import Path

import msgspec

from prompt_worker.guardrails.guardrail import Guardrail
from prompt_worker.platform.failures import SettingsError

DEFAULT_GUARDRAILS = (
    Guardrail(
        name="pii_detection_basic",
        type="pii_detection",
        config={"redaction_mode": "block_request"},
        severity="critical",
        action="block",
    ),
    Guardrail(
        name="toxic_content_filter",
        type="toxic_content",
        config={"toxicity_threshold": 0.7, "allow_educational_context": True},
        severity="high",
        action="warn",
    ),
    Guardrail(
        name="prompt_injection_detection",
        type="prompt_injection",
        config={"patterns": ["ignore previous instructions"], "case_sensitive": False},
        severity="high",
        action="warn",
    ),
)


def read_guardrails(path: Path | None) -> list[Guardrail]:
    """The guardrails in a JSON file; the default ones where `path` is None.

    Raises `SettingsError`, which names the file.
    """
    if path is None:
        return list(DEFAULT_GUARDRAILS)
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Guardrail])
    except (OSError, msgspec.MsgspecError) as error:
        raise SettingsError(f"{path}: {error}") from None
