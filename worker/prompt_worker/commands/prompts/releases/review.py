"""`prompt-worker prompts review`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_command, open_console
from prompt_worker.commands.prompts.acting import EXTRA, actor_of, add_actor, version_number


def add(commands: Commands) -> None:
    review = add_command(
        commands,
        "review",
        _review,
        "approve or reject a version, as its content and what it includes are now",
        extra=EXTRA,
    )
    review.add_argument("name", metavar="NAME", help="the prompt's name, such as tutor/hints")
    review.add_argument("version", metavar="VERSION", type=version_number, help="the number of the version")
    verdict = review.add_mutually_exclusive_group(required=True)
    verdict.add_argument(
        "--approve", dest="verdict", action="store_const", const="approved", help="it may be released"
    )
    verdict.add_argument(
        "--reject", dest="verdict", action="store_const", const="rejected", help="it may not"
    )
    review.add_argument(
        "--sha256", metavar="HASH", help="only if its content has this hash, which may be shortened"
    )
    add_actor(review, reason="what you say of it")


def _review(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.terminal.printable import printable
    from prompt_worker.prompts.authoring.releases.reviewing import review

    reviewed = review(
        open_session("prompts"),
        actor_of(options),
        options.name,
        options.version,
        options.verdict,
        sha256=options.sha256,
    )
    included = ", ".join(f"{ref} ({sha256[:12]})" for ref, sha256 in reviewed.includes.items())
    with_ = f", with {printable(included)}" if included else ""
    open_console().print(
        f"{reviewed.verdict} {printable(reviewed.name)}@{reviewed.version}, content {reviewed.sha256[:12]}{with_}"
    )
    return 0
