"""Migrations that make fewer months ahead: each is another 17 files, and of no other kind than the ones before it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

import prompt_schema.migrate
from prompt_schema.partitions import make_partitions


@contextmanager
def months_made(ahead: int) -> Iterator[None]:
    """What migrates in this process meanwhile makes so many months after this one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prompt_schema.migrate, "make_partitions", partial(make_partitions, ahead=ahead))
        yield
