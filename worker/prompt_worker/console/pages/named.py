"""What several pages ask for: a prompt, and one of its versions."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Name = Annotated[str, Meta(max_length=255)]
Version = Annotated[int, Meta(ge=1, lt=2**31)]
Reason = Annotated[str, Meta(max_length=2000)]


class PromptNamed(msgspec.Struct):
    """One prompt."""

    name: Name


class VersionNamed(msgspec.Struct):
    """One version of a prompt."""

    name: Name
    version: Version
