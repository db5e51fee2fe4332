"""Version 7 ids: their time is right, they ascend within a thread, and no two processes share random bits."""

from __future__ import annotations

import os
import time
from uuid import RFC_4122, UUID

from prompt_worker.platform.uuid7 import uuid7


def milliseconds(value: UUID) -> int:
    return value.int >> 80


def test_uuid7_has_its_version_and_variant() -> None:
    for _ in range(1000):
        made = uuid7()
        assert (made.version, made.variant) == (7, RFC_4122)


def test_uuid7_holds_the_unix_time_in_milliseconds() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid7()
    assert before <= milliseconds(made) <= time.time_ns() // 1_000_000


def test_uuid7_ascends_within_a_millisecond() -> None:
    made = [uuid7() for _ in range(20_000)]
    assert len({milliseconds(value) for value in made}) < len(made) / 10, "too slow a machine to show it"
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_fork_repeats_no_random_bits_of_uuid7() -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"".join(uuid7().bytes for _ in range(200)))
        os._exit(0)
    own = {uuid7().int & (1 << 62) - 1 for _ in range(200)}
    os.waitpid(child, 0)
    written = os.read(reader, 16 * 200)
    os.close(reader)
    os.close(writer)
    childs = {int.from_bytes(written[at : at + 16]) & (1 << 62) - 1 for at in range(0, len(written), 16)}
    assert len(childs) == 200
    assert not own & childs
