"""How a prompt service is, for whoever asks."""

from __future__ import annotations

import msgspec

from prompt_worker.prompts.prompt import Source


class Health(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """What is served, and what is not as it should be.

    `prompts`: names that can be served. `quarantined`: those that are not served as stored, each with the reason.
    `age_seconds`: since the registry last said that this is what to serve. `trouble`: why it could not be asked;
    `irregularity`: what it said that it should not have. None where there is none, or no registry.
    """

    prompts: int
    source: Source
    revision: int | None
    quarantined: dict[str, str]
    age_seconds: float | None = None
    epoch: int | None = None
    registry_id: str | None = None
    trouble: str | None = None
    irregularity: str | None = None

    @property
    def is_healthy(self) -> bool:
        return not self.quarantined and self.trouble is None and self.irregularity is None
