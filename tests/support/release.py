"""The release before this one, taken from its commit: its commands run beside those of this one."""

from __future__ import annotations

import os
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

from tests.support.documents import REPOSITORY

# The last one that was released: raised with each release.
COMMIT = "9f422b63b84b"


def unpack(folder: Path) -> str:
    """The value of PYTHONPATH with which Python finds its packages first.

    They are the files that its wheel has; what a wheel lacks is found by tests/integration/test_wheel.py.
    """
    archived = subprocess.run(
        ["git", "archive", COMMIT, "worker", "schema"], cwd=REPOSITORY, capture_output=True, check=True
    )
    with tarfile.open(fileobj=BytesIO(archived.stdout)) as source:
        source.extractall(folder, filter="data")
    return os.pathsep.join(str(folder / name) for name in ("worker", "schema"))
