"""`prompt-worker prompts policy`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_command, count
from prompt_worker.commands.prompts.acting import EXTRA, actor_of, add_actor


def add(commands: Commands) -> None:
    policy = add_command(
        commands,
        "policy",
        _policy,
        "show how many approvals versions need before they are released, or set it",
        details="Without an option it shows what is set.",
        extra=EXTRA,
    )
    where = policy.add_mutually_exclusive_group()
    where.add_argument("--category", metavar="NAME", help="set it for the prompts of a category")
    where.add_argument("--name", metavar="NAME", help="set it for one prompt")
    where.add_argument(
        "--freeze",
        choices=("record", "enforce"),
        help="whether the content of a version that was served may change, with a row in the history, or never",
    )
    number = policy.add_mutually_exclusive_group()
    number.add_argument(
        "--approvals", type=_approvals, metavar="N", help="as many people who did not write it"
    )
    number.add_argument("--inherit", action="store_true", help="of a prompt: as its category")
    policy.add_argument("--json", action="store_true", help="print a JSON object")
    add_actor(policy)


def _approvals(text: str) -> int:
    if (number := count(text)) > 1000:
        raise argparse.ArgumentTypeError(f"{text}: expected 1000 at most")
    return number


def _policy(options: argparse.Namespace) -> int:
    import msgspec

    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.prompts.reports.policies import print_policies
    from prompt_worker.prompts.authoring.naming import BadNameError
    from prompt_worker.prompts.authoring.releases import policies

    of_one = options.category is not None or options.name is not None
    if of_one == (options.approvals is None and not options.inherit) or (
        options.inherit and options.name is None
    ):
        raise BadNameError("give --category or --name with --approvals N, or --name with --inherit")
    session, actor = open_session("prompts"), actor_of(options)
    if options.freeze is not None:
        found = policies.set_freeze(session, actor, options.freeze)
    elif options.category is not None:
        found = policies.require_of_category(session, actor, options.category, options.approvals)
    elif options.name is not None:
        found = policies.require_of_name(session, actor, options.name, options.approvals)
    else:
        found = policies.read_policies(session)
    if options.json:
        print(msgspec.json.encode(found).decode())
    else:
        print_policies(found)
    return 0
