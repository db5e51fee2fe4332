"""`prompt-worker prompts edit`."""

from __future__ import annotations

import argparse
from pathlib import Path

from prompt_worker.commands.command import Commands, add_command
from prompt_worker.commands.prompts.acting import EXTRA, actor_of, add_actor, version_number


def add(commands: Commands) -> None:
    edit = add_command(
        commands,
        "edit",
        _edit,
        "change a version in $EDITOR and save what you made of it as the next version, checked and not active",
        extra=EXTRA,
    )
    edit.add_argument("name", metavar="NAME", help="the prompt's name, such as tutor/hints")
    edit.add_argument(
        "version",
        metavar="VERSION",
        type=version_number,
        nargs="?",
        help="the one to begin with (default: the one in production, else the newest)",
    )
    add_actor(edit)


def _edit(options: argparse.Namespace) -> int:
    from prompt_worker.commands.command import open_console
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.prompts.versions.saving import candidate_of, save_and_print
    from prompt_worker.commands.terminal.editor import edit_by_hand, save_privately
    from prompt_worker.prompts.authoring.reading.profile import profile
    from prompt_worker.prompts.errors import PromptError
    from prompt_worker.prompts.folder.writing import write_file

    version = profile(open_session("prompts"), options.name, options.version).version
    offered = write_file(version.readable(), description=version.description, category=version.category)
    written = edit_by_hand(
        offered, prefix="prompt-", suffix=".prompt", otherwise="give a file to 'prompts create'"
    )
    if written == offered:
        open_console().print("nothing changed, nothing saved")
        return 0
    try:
        candidate, file = candidate_of(version.name, written, Path("your text"))
        code = save_and_print(candidate, file, actor_of(options))
    except PromptError as error:
        kept = save_privately(written, prefix="prompt-", suffix=".prompt")
        raise _kept(error, kept) from None
    if code:
        kept = save_privately(written, prefix="prompt-", suffix=".prompt")
        open_console().print(
            f"your text is in {kept}: fix it there, and pass it to 'prompt-worker prompts create'"
        )
    return code


def _kept(error: Exception, path: Path) -> Exception:
    from prompt_worker.prompts.authoring.refusals import ReleaseError

    return ReleaseError(f"{error}. Your text is in {path}: pass it to 'prompt-worker prompts create'")
