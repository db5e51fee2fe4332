"""Lines on disk: several processes share a folder, a killed one leaves nothing that breaks the next."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from prompt_worker.publishing.spool import spool as spool_module
from prompt_worker.publishing.spool.spool import Spool

LIMIT = 100_000_000


def drained(spool: Spool) -> list[bytes]:
    """Every line that can be claimed, in order; the segments are removed."""
    lines: list[bytes] = []
    while segment := spool.claim():
        lines += segment.lines()
        segment.remove()
    return lines


def test_spooled_lines_come_back_in_order(tmp_path: Path) -> None:
    spool = Spool(tmp_path, LIMIT)
    spool.append([b"1", b"2"])
    spool.append([b"3"])
    assert spool.count() == 3
    assert drained(spool) == [b"1", b"2", b"3"]
    assert (list(tmp_path.iterdir()), spool.count()) == ([], 0)


def test_newline_within_json_does_not_split_a_line(tmp_path: Path) -> None:
    spool = Spool(tmp_path, LIMIT)
    spool.append([b'{"a":\n1}', b"{}"])
    assert drained(spool) == [b'{"a": 1}', b"{}"]


def test_segment_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Spool(tmp_path, LIMIT).append([b"a prompt"])
    finally:
        os.umask(before)
    assert [stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()] == [0o600]


def test_open_segment_belongs_to_its_writer_until_closed(tmp_path: Path) -> None:
    writer, other = Spool(tmp_path, LIMIT), Spool(tmp_path, LIMIT)
    writer.append([b"1"])
    assert other.claim() is None
    writer.close()
    segment = other.claim()
    assert segment is not None
    assert writer.claim() is None, "claimed twice"
    segment.release()
    assert drained(writer) == [b"1"]


def test_segments_stay_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "SEGMENT_BYTES", 100)
    spool = Spool(tmp_path, LIMIT)
    for number in range(20):
        spool.append([b"%03d" % number * 10])
    assert len(list(tmp_path.iterdir())) > 3
    assert [line[:3] for line in drained(spool)] == [b"%03d" % number for number in range(20)]


def test_limit_counts_what_others_left(tmp_path: Path) -> None:
    Spool(tmp_path, 100).append([b"x" * 50])
    spool = Spool(tmp_path, 100)
    spool.append([b"y" * 30])
    with pytest.raises(OSError, match="limit of 100 bytes"):
        spool.append([b"z" * 30])
    assert spool.count() == 2
    spool.append([b"z" * 10])


def test_failing_files_are_skipped_and_named_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A folder fails to open as a file whoever asks, also root."""
    (tmp_path / "00000000000000000000-1.ndjson").mkdir()
    spool = Spool(tmp_path, LIMIT)
    spool.append([b"1"])
    assert drained(spool) == [b"1"]
    assert spool.claim() is None
    assert (spool.count(), caplog.text.count("cannot use")) == (0, 1)


def test_segment_that_cannot_be_deleted_is_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    spool = Spool(tmp_path, LIMIT)
    spool.append([b"1"])
    segment = spool.claim()
    assert segment is not None
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(PermissionError) as caught:
        segment.remove()
    spool.skip(segment, caught.value)
    assert (spool.claim(), spool.size()) == (None, 0)


WRITE_FOR_EVER = """
import sys
from pathlib import Path
from prompt_worker.publishing.spool.spool import Spool
spool, number = Spool(Path(sys.argv[1]), 1_000_000_000), 0
while True:
    spool.append([b"%08d " % (number + n) + b"x" * 1000 + b"!" for n in range(10)])
    number += 10
    print(number, flush=True)
"""


def test_appended_lines_survive_a_killed_process(tmp_path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITE_FOR_EVER, str(tmp_path)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    for line in writer.stdout:
        if int(line) >= 1000:
            break
    writer.send_signal(signal.SIGKILL)
    promised = int((writer.stdout.read().split() or [b"1000"])[-1])
    writer.wait()
    lines = drained(Spool(tmp_path, LIMIT))
    whole = [line for line in lines if line.endswith(b"!")]
    assert [int(line[:8]) for line in whole] == list(range(len(whole)))
    assert len(whole) >= promised
    assert len(lines) - len(whole) <= 1, "more than the last line is torn"


def test_full_disk_leaves_no_half_line(tmp_path: Path) -> None:
    """The kernel refuses to grow a file beyond RLIMIT_FSIZE as it refuses on a full disk: after a part is written."""
    code = f"""
import resource, signal, sys
from pathlib import Path
from prompt_worker.publishing.spool.spool import Spool
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
spool = Spool(Path({str(tmp_path)!r}), {LIMIT})
spool.append([b"a" * 8_000])
try:
    spool.append([b"b" * 3_000])
except OSError as error:
    spool.append([b"c" * 1_000])
    sys.exit(42)
"""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 10_000
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 42
    assert drained(Spool(tmp_path, LIMIT)) == [b"a" * 8_000, b"c" * 1_000]


def test_racing_writers_and_readers_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "SEGMENT_BYTES", 200)
    found: list[bytes] = []
    writing = threading.Event()
    writing.set()

    def write(name: bytes) -> None:
        spool = Spool(tmp_path, LIMIT)
        for number in range(500):
            spool.append([b"%s-%d" % (name, number)])
        spool.close()

    def read() -> None:
        spool = Spool(tmp_path, LIMIT)
        while writing.is_set():
            found.extend(drained(spool))

    writers = [threading.Thread(target=write, args=(name,)) for name in (b"a", b"b", b"c")]
    readers = [threading.Thread(target=read) for _ in range(2)]
    for thread in writers + readers:
        thread.start()
    for thread in writers:
        thread.join()
    writing.clear()
    for thread in readers:
        thread.join()
    found += drained(Spool(tmp_path, LIMIT))
    assert sorted(found) == sorted(
        b"%s-%d" % (name, number) for name in (b"a", b"b", b"c") for number in range(500)
    )
