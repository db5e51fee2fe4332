"""A folder of `*.prompt` files and the registry: what a push would save, and the files that a pull writes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from prompt_worker.platform.postgres.session import Session
from prompt_worker.prompts.authoring.acting import Actor, reading
from prompt_worker.prompts.authoring.naming import BadNameError, checked_name
from prompt_worker.prompts.authoring.stored import Version, missing, read_versions
from prompt_worker.prompts.authoring.versions.planning import Candidate, Planned
from prompt_worker.prompts.authoring.versions.saving import Proposal, propose, save
from prompt_worker.prompts.errors import Fault, FolderError, PromptError, TemplateFaultError
from prompt_worker.prompts.folder.checking import FileFault
from prompt_worker.prompts.folder.file import PromptFile
from prompt_worker.prompts.folder.lock import Lock, Locked, read_lock, write_lock
from prompt_worker.prompts.folder.reading import SUFFIX, Named, prompt_files, read_named
from prompt_worker.prompts.folder.writing import write_file


class FolderProposal(msgspec.Struct, frozen=True):
    """What a push of a folder would do. `faults` are those of files; the rest is nothing where there are some."""

    proposal: Proposal
    faults: list[FileFault]

    @property
    def can_be_saved(self) -> bool:
        return not self.faults and self.proposal.can_be_saved


def propose_folder(session: Session, folder: Path) -> FolderProposal:
    """Changes nothing. Raises `FolderError`, `BadNameError`, `NotAllowedError`, `DeploymentError`."""
    files, faults = _read(folder)
    candidates = [
        Candidate(
            name=named.name,
            content=file.content,
            description=file.front.description,
            category=file.front.category,
            version=named.version,
        )
        for named, file in files.items()
    ]
    if faults:
        return FolderProposal(Proposal([], []), faults)
    proposal = propose(session, candidates)
    return FolderProposal(proposal, list(_file_faults(files, proposal)))


def push(session: Session, actor: Actor, folder: Path, proposed: FolderProposal) -> list[Planned]:
    """Saves what is new, then writes `prompts.lock` with the numbers that the registry gave.

    Run again it saves nothing. Raises what `save` raises, and OSError for a lock that cannot be written.
    """
    saved = save(session, actor, proposed.proposal)
    before = read_lock(folder) or {}
    lock = dict(before)
    for each in saved:
        pinned = each.candidate.version
        key = each.candidate.name if pinned is None else f"{each.candidate.name}@{pinned}"
        lock[key] = Locked(each.version, each.candidate.content.sha256)
    if lock != before:
        write_lock(folder, lock)
    return saved


class Pulled(msgspec.Struct, frozen=True):
    """Names by what became of their files. `conflicts`: changed here and not pushed; nothing was written then.

    `refused`: names or contents that no file can hold, each with the reason.
    """

    written: list[str]
    unchanged: list[str]
    conflicts: list[str]
    refused: dict[str, str]


def pull(session: Session, folder: Path, names: Sequence[str] = (), *, force: bool = False) -> Pulled:
    """Writes what is in production, of `names` or of all, and `prompts.lock`.

    A file that differs from its line in the lock is a conflict unless `force`. Raises `UnknownPromptError`,
    `FolderError`, `NotAllowedError`, `DeploymentError`, and OSError for a file that cannot be written.
    """
    versions = reading(session, lambda cursor: read_versions(cursor, production=True))
    wanted = _wanted(versions, names)
    if folder.exists() and not folder.is_dir():
        raise FolderError(f"{folder} is no folder of prompts")
    lock = (read_lock(folder) if folder.is_dir() else None) or {}
    pulled = Pulled([], [], [], {})
    files: dict[Path, bytes] = {}
    after = dict(lock)
    for version in wanted:
        try:
            checked_name(version.name)
            raw = write_file(version.readable(), description=version.description, category=version.category)
        except PromptError as error:
            pulled.refused[version.name] = str(error)
            continue
        path = folder / f"{version.name}{SUFFIX}"
        before = path.read_bytes() if path.is_file() else None
        after[version.name] = Locked(version.version, version.sha256)
        if before == raw:
            pulled.unchanged.append(version.name)
        elif before is not None and not force and _is_changed(version.name, path, lock, version.sha256):
            pulled.conflicts.append(version.name)
        else:
            files[path] = raw
            pulled.written.append(version.name)
    if pulled.conflicts:
        return msgspec.structs.replace(pulled, written=[])
    for path, raw in files.items():
        _write(path, raw)
    if after != lock:
        folder.mkdir(parents=True, exist_ok=True)
        write_lock(folder, after)
    return pulled


def _wanted(versions: Sequence[Version], names: Sequence[str]) -> Iterator[Version]:
    found = {version.name: version for version in versions}
    for name in names or found:
        if name not in found:
            raise missing(name, 0, [])
        yield found[name]


def _is_changed(name: str, path: Path, lock: Lock, sha256: str) -> bool:
    """Whether overwriting the file would lose something: it is neither what the lock says nor what would be written."""
    try:
        found = read_named(Named(path, name, name, None)).content.sha256
    except TemplateFaultError:
        return True
    return found != sha256 and (name not in lock or lock[name].sha256 != found)


def _write(path: Path, raw: bytes) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{os.getpid()}{SUFFIX}")
    try:
        beside.write_bytes(raw)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _read(folder: Path) -> tuple[dict[Named, PromptFile], list[FileFault]]:
    files: dict[Named, PromptFile] = {}
    faults: list[FileFault] = []
    for named in prompt_files(folder):
        try:
            checked_name(named.name)
            files[named] = read_named(named)
        except TemplateFaultError as error:
            faults.append(FileFault(named.path, error.fault))
        except BadNameError as error:
            faults.append(FileFault(named.path, Fault(str(error))))
    return files, faults


def _file_faults(files: dict[Named, PromptFile], proposal: Proposal) -> Iterable[FileFault]:
    """What the check found of files, where it is in them."""
    new = [named for named, each in zip(files, proposal.planned, strict=True) if each.saves]
    for named, checked in zip(new, proposal.checked, strict=False):
        if checked.error is not None:
            yield FileFault(named.path, files[named].located(checked.error))
    for named, each in zip(files, proposal.planned, strict=True):
        if each.action == "refused":
            message = f"version {each.version} of the registry is another text: remove the file, or pull it"
            yield FileFault(named.path, Fault(message))
