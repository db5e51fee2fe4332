"""The files that browsers keep: each at an address with its hash, so that a new one is another address."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import NamedTuple

_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


class Asset(NamedTuple):
    """A file as it is sent."""

    path: str
    content_type: str
    body: bytes


def read_assets() -> dict[str, Asset]:
    """By file name."""
    folder = files("prompt_worker.console") / "static"
    return {each.name: _asset(each.name, each.read_bytes()) for each in folder.iterdir()}


def _asset(name: str, body: bytes) -> Asset:
    digest = hashlib.sha256(body).hexdigest()[:12]
    return Asset(f"/static/{digest}/{name}", _TYPES[name.rpartition(".")[2]], body)
