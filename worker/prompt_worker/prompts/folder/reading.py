"""A folder of built-in prompts: every file that is as its lock says."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from prompt_worker.prompts.errors import Fault, FolderError, TemplateFaultError, short
from prompt_worker.prompts.folder.file import PromptFile, read_file
from prompt_worker.prompts.folder.lock import NAME, REMOVED, Lock, read_lock
from prompt_worker.prompts.version import Stored

SUFFIX = ".prompt"
NAME_LIMIT = 255
_STEM = re.compile(r"(?P<name>[^@]+)(?:@(?P<version>[1-9][0-9]{0,8}))?")


class Named(NamedTuple):
    """A file of the folder. `key` is its line in the lock: the name, and @N of a version that is not the active one."""

    path: Path
    key: str
    name: str
    version: int | None


class Read(NamedTuple):
    """`stored`: what can be compiled. `refused`: the keys of the others, each with the reason."""

    stored: list[Stored]
    refused: dict[str, str]


def read_folder(folder: str | os.PathLike[str], *, locked: bool = True) -> Read:
    """Raises `FolderError` for a folder that is not there or, where it has to be `locked`, has no lock."""
    root = Path(folder)
    lock = read_lock(root) if locked else {}
    found = list(prompt_files(root))
    if lock is None:
        raise FolderError(f"{root} has no {NAME}: run prompt-worker prompts check {root} --update")
    stored, refused = [], {}
    for named in found:
        try:
            file = read_named(named)
        except TemplateFaultError as error:
            refused[named.key] = str(error)
            continue
        version = named.version or 1
        if locked:
            if not holds(lock, named.key, file):
                refused[named.key] = (
                    f"it is not what {NAME} says: run prompt-worker prompts check {root} --update"
                )
                continue
            version = lock[named.key].version
        stored.append(as_stored(named, file, version))
    if locked:
        files = {named.key for named in found}
        for key in lock.keys() - files:
            if lock[key].sha256 != REMOVED:
                refused[key] = f"{NAME} has it, the folder does not: restore its file"
    return Read(stored, refused)


def holds(lock: Lock, key: str, file: PromptFile) -> bool:
    return key in lock and lock[key].sha256 == file.content.sha256


def as_stored(named: Named, file: PromptFile, version: int) -> Stored:
    return Stored(
        name=named.name,
        version=version,
        content=file.content,
        sha256=file.content.sha256,
        is_active=named.version is None,
    )


def prompt_files(root: Path) -> Iterator[Named]:
    """In the order of their names, without hidden ones. Raises `FolderError`."""
    if not root.is_dir():
        raise FolderError(f"{root} is no folder of prompts")
    for path in sorted(root.rglob(f"*{SUFFIX}")):
        relative = path.relative_to(root)
        if path.is_file() and not any(part.startswith(".") for part in relative.parts):
            # As macOS stores them, letters and their accents are two.
            key = unicodedata.normalize("NFC", relative.as_posix().removesuffix(SUFFIX))
            stem = _STEM.fullmatch(key)
            version = int(stem["version"]) if stem and stem["version"] else None
            yield Named(path, key, stem["name"] if stem else key, version)


def read_named(named: Named) -> PromptFile:
    """Raises `TemplateFaultError`, also for a name that no prompt can have."""
    if _STEM.fullmatch(named.key) is None:
        raise TemplateFaultError(Fault("@ is only for a version, as in NAME@3.prompt"))
    if len(named.name) > NAME_LIMIT:
        raise TemplateFaultError(
            Fault(f"the name {short(named.name)} has {len(named.name)} characters: at most {NAME_LIMIT}")
        )
    try:
        return read_file(named.path.read_bytes())
    except OSError as error:
        raise TemplateFaultError(Fault(f"cannot be read: {error.strerror}")) from None
