"""`prompt-worker prompts rollout`: `show`, `advance` and `abort`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Command, Commands, add_command, add_group, count
from prompt_worker.commands.prompts.acting import EXTRA, actor_of, add_actor
from prompt_worker.commands.prompts.releases.waiting import add_waiting, wait_for


def add(commands: Commands) -> None:
    group = add_group(
        commands, "rollout", "a version that a part of the users gets first: see it, take it further, or back"
    )
    _add(
        group,
        "show",
        _show,
        "the step of a rollout, and how many users fail with and without the new version",
    )
    advance = _add(
        group,
        "advance",
        _advance,
        "the next step; the last one tries the version again and puts it in production",
        details="Refused where it does harm, or where nobody has looked at it yet.",
    )
    add_actor(advance)
    advance.add_argument(
        "--inputs",
        type=count,
        default=50,
        metavar="N",
        help="at the last step try it on the last N executions (default: 50; 0: only compile it)",
    )
    advance.add_argument("--force", action="store_true", help="also where that is refused; needs --reason")
    advance.add_argument(
        "--break-glass", action="store_true", help="without the approvals that it needs; needs --reason"
    )
    add_waiting(advance)
    abort = _add(group, "abort", _abort, "end it: all users get the version in production again")
    add_actor(abort)


def _add(
    group: Commands, name: str, run: Command, about: str, *, details: str = ""
) -> argparse.ArgumentParser:
    added = add_command(group, name, run, about, details=details, extra=EXTRA)
    added.add_argument("name", metavar="NAME", help="the prompt's name, such as tutor/hints")
    added.add_argument("--json", action="store_true", help="print a JSON object")
    return added


def _show(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.prompts.reports.rollout import print_rollout
    from prompt_worker.experiments.rollouts.reading import find_rollout

    print_rollout(find_rollout(open_session("prompts"), options.name), as_json=options.json)
    return 0


def _advance(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.prompts.reports.gate import print_examined
    from prompt_worker.commands.prompts.reports.release import print_activated
    from prompt_worker.commands.prompts.reports.rollout import print_stepped
    from prompt_worker.experiments.rollouts.advancing import check, finish, is_last, step
    from prompt_worker.experiments.rollouts.reading import find_rollout
    from prompt_worker.prompts.authoring.releases.gate.examining import examine

    session = open_session("prompts")
    actor = actor_of(options, break_glass=options.break_glass)
    rollout = find_rollout(session, options.name, running=True)
    actor = check(rollout, actor, force=options.force)
    if not is_last(rollout):
        print_stepped(step(session, actor, rollout, force=options.force), as_json=options.json)
        return 0
    examined = examine(session, options.name, rollout.canary.version, inputs=min(options.inputs, 1000))
    print_examined(examined, as_json=options.json)
    activated = finish(session, actor, rollout, examined, force=options.force)
    print_activated(activated, as_json=options.json)
    return wait_for(session, activated, options)


def _abort(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.prompts.reports.rollout import print_stepped
    from prompt_worker.experiments.rollouts.aborting import abort

    aborted = abort(open_session("prompts"), actor_of(options), options.name)
    print_stepped(aborted, as_json=options.json)
    return 0
