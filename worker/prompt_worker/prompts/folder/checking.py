"""The check of a folder of prompts: every file compiles within limits, and is what the lock says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from prompt_worker.prompts.errors import Fault, FolderError
from prompt_worker.prompts.folder.child import EXPENSIVE, Found
from prompt_worker.prompts.folder.lock import NAME, REMOVED, Lock, Locked, read_lock, write_lock
from prompt_worker.prompts.folder.reading import Named, prompt_files

# A wall clock's, for a child that the machine keeps waiting; its own limit is on processor time.
_SECONDS = 600.0
_UPDATE = "run it with --update"


class FileFault(NamedTuple):
    """What is wrong with one file, by its path in the folder."""

    path: Path
    fault: Fault

    def __str__(self) -> str:
        place = f":{self.fault.line}:{self.fault.column}" if self.fault.line else ""
        return f"{self.path}{place}: {self.fault.message}"


class Checked(NamedTuple):
    """`prompts` is the number of files, `changed` that of lines of the lock that were written."""

    prompts: int
    faults: list[FileFault]
    changed: int


def check(folder: Path, *, update: bool = False) -> Checked:
    """Compiles every file in a child process; then compares with the lock, or with `update` writes it.

    The lock is written only where every file can be used. Raises `FolderError`.
    """
    lock = read_lock(folder)
    files = list(prompt_files(folder))
    faults, hashes = [], {}
    for named, found in zip(files, _compiled(folder, len(files)), strict=True):
        if found.fault is not None:
            faults.append(FileFault(named.path, Fault(found.fault, found.line, found.column)))
        else:
            hashes[named] = found.sha256 or ""
    if update:
        return Checked(len(files), faults, 0) if faults else _updated(folder, hashes, lock or {})
    return Checked(len(files), faults + list(_lock_faults(folder, hashes, files, lock)), 0)


def _compiled(folder: Path, number: int) -> Iterator[Found]:
    """What was found of each file, in their order. A child that a file ends is followed by another for the rest."""
    at, skipped = 0, set[int]()
    while at < number:
        lines = _lines(folder, at, skipped)
        for found in lines:
            if found.step == "done":
                yield found
                at = found.at + 1
        last = lines[-1]
        if last.step == "reading" and last.at not in skipped:
            skipped.add(last.at)
        elif last.step == "compiling":
            yield Found(last.at, "done", None, EXPENSIVE)
            at = last.at + 1


def _lines(folder: Path, start: int, skipped: set[int]) -> list[Found]:
    """What one child wrote. Raises `FolderError` when it failed through no fault of a file's."""
    places = ",".join(map(str, skipped))
    command = [sys.executable, "-m", "prompt_worker.prompts.folder.child", str(folder), str(start), places]
    try:
        ran = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise FolderError(f"the process that checks the prompts did not end in {_SECONDS:.0f} s") from None
    found = [msgspec.json.decode(line, type=Found) for line in ran.stdout.splitlines()]
    if not found or ran.returncode > 0:
        raise FolderError("the process that checks the prompts failed; what it printed says why")
    return found


def _lock_faults(
    folder: Path, hashes: dict[Named, str], files: list[Named], lock: Lock | None
) -> Iterator[FileFault]:
    if lock is None:
        yield FileFault(folder / NAME, Fault(f"there is none: {_UPDATE}"))
        return
    for named, sha256 in hashes.items():
        locked = lock.get(named.key)
        if locked is None:
            yield FileFault(named.path, Fault(f"it is not in {NAME}: {_UPDATE}"))
        elif named.version is not None and locked.version != named.version:
            yield FileFault(named.path, Fault(f"{NAME} has version {locked.version} for it: {_UPDATE}"))
        elif locked.sha256 != sha256:
            yield FileFault(named.path, Fault(_changed(named, locked)))
    yield from _conflicts(hashes, lock)
    for key in sorted(lock.keys() - {named.key for named in files}):
        if lock[key].sha256 != REMOVED:
            yield FileFault(
                folder / NAME, Fault(f"{key} has no file: restore it, or if it is to go {_UPDATE}")
            )


def _conflicts(hashes: dict[Named, str], lock: Lock) -> Iterator[FileFault]:
    """Files of an older version that is the active one, with another content."""
    for named, sha256 in hashes.items():
        active = lock.get(named.name)
        same = named.version is not None and active is not None and active.version == named.version
        if same and active is not None and sha256 != active.sha256:
            yield FileFault(named.path, Fault(f"version {named.version} is the active one, and differs"))


def _changed(named: Named, locked: Locked) -> str:
    if named.version is not None:
        return f"version {named.version} was served and never changes: restore the file"
    return f"it is not version {locked.version} of {NAME} any more: for a new version {_UPDATE}"


def _updated(folder: Path, hashes: dict[Named, str], before: Lock) -> Checked:
    """A changed prompt gets the next number of its name, which was never used before."""
    lock, faults = dict(before), []
    for named, sha256 in hashes.items():
        locked = before.get(named.key)
        if locked is not None and locked.sha256 == sha256:
            continue
        if named.version is None:
            lock[named.key] = Locked(_next_version(named.name, hashes, before), sha256)
        elif locked is None or locked.sha256 == REMOVED:
            lock[named.key] = Locked(named.version, sha256)
        else:
            faults.append(FileFault(named.path, Fault(_changed(named, locked))))
    for key in before.keys() - {named.key for named in hashes}:
        lock[key] = Locked(before[key].version, REMOVED)
    faults += _conflicts(hashes, lock)
    changed = sum(lock[key] != before.get(key) for key in lock)
    if faults:
        return Checked(len(hashes), faults, 0)
    if changed:
        write_lock(folder, lock)
    return Checked(len(hashes), [], changed)


def _next_version(name: str, hashes: dict[Named, str], lock: Lock) -> int:
    used = [locked.version for key, locked in lock.items() if key.partition("@")[0] == name]
    used += [named.version for named in hashes if named.name == name and named.version is not None]
    return max(used, default=0) + 1
