"""One content on its way from a file into the registry."""

from __future__ import annotations

import sys
from pathlib import Path

from prompt_worker.commands.command import open_console
from prompt_worker.commands.database import open_session
from prompt_worker.commands.prompts.reports.checks import print_checked
from prompt_worker.commands.prompts.reports.saving import print_planned
from prompt_worker.commands.terminal.printable import printable
from prompt_worker.prompts.authoring.acting import Actor
from prompt_worker.prompts.authoring.naming import checked_name
from prompt_worker.prompts.authoring.versions.planning import Candidate
from prompt_worker.prompts.authoring.versions.saving import propose, save
from prompt_worker.prompts.errors import Fault, FolderError, TemplateFaultError
from prompt_worker.prompts.folder.checking import FileFault
from prompt_worker.prompts.folder.file import SIZE_LIMIT, PromptFile, read_file


def read_candidate(name: str, path: Path) -> tuple[Candidate, tuple[Path, PromptFile]]:
    """Raises `FolderError` for what cannot be read, `TemplateFaultError` for what is no prompt, and `BadNameError`."""
    checked_name(name)
    try:
        raw = sys.stdin.buffer.read(SIZE_LIMIT + 1) if str(path) == "-" else path.read_bytes()
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or "not a path"
        raise FolderError(f"cannot read {printable(path)}: {said}") from None
    return candidate_of(name, raw, path)


def candidate_of(name: str, raw: bytes, path: Path) -> tuple[Candidate, tuple[Path, PromptFile]]:
    """Of the bytes of a file."""
    try:
        file = read_file(raw)
    except TemplateFaultError as error:
        raise TemplateFaultError(Fault(str(FileFault(path, error.fault)))) from None
    return Candidate(
        name=name, content=file.content, description=file.front.description, category=file.front.category
    ), (path, file)


def save_and_print(
    candidate: Candidate, file: tuple[Path, PromptFile], actor: Actor, *, as_json: bool = False
) -> int:
    """The exit code: 1 where a fault kept it from being saved."""
    session, console = open_session("prompts"), open_console()
    proposal = propose(session, [candidate])
    path, read = file
    for each in proposal.checked[:1] if proposal.faults else ():
        if each.error is not None:
            console.print(printable(FileFault(path, read.located(each.error))), style="red")
    if not as_json or proposal.faults:
        print_checked(console, proposal.checked[1:])
    if proposal.faults:
        console.print("nothing was saved")
        return 1
    (saved,) = save(session, actor, proposal)
    print_planned([saved], as_json=as_json, done=True)
    if saved.saves and not as_json:
        console.print(
            f"it is not active: 'prompt-worker prompts activate {printable(saved.candidate.name)} {saved.version}' "
            "shows what it would change, and activates it"
        )
    return 0
