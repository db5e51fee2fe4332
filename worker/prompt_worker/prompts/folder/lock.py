"""`prompts.lock`: the version of each prompt of a folder, and the hash of its content."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from prompt_worker.prompts.errors import FolderError

NAME = "prompts.lock"
# In place of a hash: the prompt is gone, and its numbers are never used again.
REMOVED = "removed"
_HEADER = "# Written by: prompt-worker prompts check --update\n"


class Locked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the lock says of one prompt."""

    version: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    sha256: Annotated[str, msgspec.Meta(pattern=f"^([0-9a-f]{{64}}|{REMOVED})$")]


Lock = dict[str, Locked]


def read_lock(folder: Path) -> Lock | None:
    """None where there is none. Raises `FolderError`."""
    path = folder / NAME
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Lock)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        raise FolderError(f"cannot read {path}") from None
    except (tomllib.TOMLDecodeError, msgspec.ValidationError):
        raise FolderError(
            f"{path} is damaged: restore it, as the versions that were served are written there"
        ) from None


def write_lock(folder: Path, lock: Mapping[str, Locked]) -> None:
    """Whole or not at all."""
    # JSON's quotes and escapes are TOML's, too.
    lines = [
        f"{json.dumps(name, ensure_ascii=False)} = "
        f'{{ version = {locked.version}, sha256 = "{locked.sha256}" }}\n'
        for name, locked in sorted(lock.items())
    ]
    path = folder / NAME
    beside = path.with_name(f".{NAME}.{os.getpid()}")
    try:
        beside.write_text(_HEADER + "".join(lines), encoding="utf-8", newline="\n")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
