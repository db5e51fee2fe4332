"""A text changed by hand, in the user's editor."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from prompt_worker.platform.failures import Failure


class EditorError(Failure):
    """There is no editor, or it failed; nothing was saved."""

    exit_code = 65


def edit_by_hand(offered: bytes, *, prefix: str, suffix: str, otherwise: str) -> bytes:
    """What the user made of `offered` in $VISUAL or $EDITOR; without one the error says what to do `otherwise`.

    Raises `EditorError`.
    """
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        raise EditorError(f"EDITOR is not set: set it, or {otherwise}")
    path = save_privately(offered, prefix=prefix, suffix=suffix)
    try:
        code = subprocess.run([*shlex.split(editor), str(path)], check=False).returncode
        written = path.read_bytes()
    except (OSError, ValueError) as error:
        raise EditorError(f"EDITOR {editor}: {getattr(error, 'strerror', None) or error}") from None
    finally:
        path.unlink(missing_ok=True)
    if code:
        raise EditorError(f"EDITOR {editor} exited with {code}: nothing was saved")
    return written


def save_privately(text: bytes, *, prefix: str, suffix: str) -> Path:
    """Writes a new file that only this user may read."""
    descriptor, name = tempfile.mkstemp(prefix=prefix, suffix=suffix)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
    return Path(name)
