"""A body corrected by hand, in the user's editor."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from prompt_worker.deadletters.correction import CorrectionError, pretty


def edit_by_hand(body: bytes) -> bytes:
    """The body as the user left it in $VISUAL or $EDITOR. Raises `CorrectionError`."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        raise CorrectionError("EDITOR is not set: set it, or give --set FIELD=VALUE or --file FILE")
    offered = pretty(body).encode()
    path = save_privately(offered)
    try:
        code = subprocess.run([*shlex.split(editor), str(path)], check=False).returncode
        written = path.read_bytes()
    except OSError as error:
        raise CorrectionError(f"EDITOR {editor}: {error.strerror}") from None
    finally:
        path.unlink(missing_ok=True)
    if code:
        raise CorrectionError(f"EDITOR {editor} exited with {code}: nothing was saved")
    return body if written == offered else written


def save_privately(text: bytes) -> Path:
    """Writes a new file that only this user may read."""
    descriptor, name = tempfile.mkstemp(prefix="dead-letter-", suffix=".json")
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
    return Path(name)
