"""`prompt-worker prompts activate`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from prompt_worker.commands.command import Commands, add_command, count
from prompt_worker.commands.prompts.acting import EXTRA, actor_of, add_actor, version_number
from prompt_worker.commands.prompts.releases.waiting import add_waiting, wait_for

if TYPE_CHECKING:
    from prompt_worker.experiments.rollouts.starting import Terms


def add(commands: Commands) -> None:
    activate = add_command(
        commands,
        "activate",
        _activate,
        "try a version on what its prompt was really given, and put it in production if nothing fails",
        details="With --canary for a part of the users first: 'prompts rollout' then takes it further, or back.",
        extra=EXTRA,
    )
    add = activate.add_argument
    add("name", metavar="NAME", help="the prompt's name, such as tutor/hints")
    add("version", metavar="VERSION", type=version_number, help="the number of the version")
    add("--dry-run", action="store_true", help="only try it: exit code 1 when something fails")
    add(
        "--inputs",
        type=count,
        default=50,
        metavar="N",
        help="try it on the last N executions (default: 50; 0: only compile it)",
    )
    add("--force", action="store_true", help="also if something fails; needs --reason")
    add("--break-glass", action="store_true", help="without the approvals that it needs; needs --reason")
    add(
        "--json",
        action="store_true",
        help="print JSON: an object for each prompt that was tried, and one at the end",
    )
    add_actor(activate)
    add_waiting(activate)
    _add_rollout(activate)


def _add_rollout(activate: argparse.ArgumentParser) -> None:
    add = activate.add_argument_group("a guarded rollout").add_argument
    add(
        "--canary",
        type=_percent,
        metavar="PERCENT",
        help="begin with this part of the users; the version in production stays for the others",
    )
    add("--steps", type=_percents, metavar="P,P,…", help="of users, such as 10,50,100 (the default)")
    add(
        "--auto-rollback",
        action="store_true",
        help="take it back without asking when it fails for more users than its share",
    )
    add("--count-violations", action="store_true", help="what a guardrail finds is a failure, too")
    add(
        "--unit",
        choices=("user", "session"),
        default="user",
        help="who keeps a version while it goes on (default: user)",
    )


def _percent(text: str) -> float:
    try:
        return float(text.removesuffix("%"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: expected a percentage, such as 10") from None


def _percents(text: str) -> list[float]:
    return [_percent(each) for each in text.split(",")]


def _activate(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.prompts.reports.gate import print_examined
    from prompt_worker.commands.prompts.reports.release import print_activated
    from prompt_worker.commands.prompts.reports.rollout import print_stepped
    from prompt_worker.experiments.rollouts.starting import start_rollout
    from prompt_worker.prompts.authoring.releases.activating import activate
    from prompt_worker.prompts.authoring.releases.gate.examining import examine

    terms = _terms(options)
    session = open_session("prompts")
    examined = examine(session, options.name, options.version, inputs=min(options.inputs, 1000))
    print_examined(examined, as_json=options.json)
    if options.dry_run:
        return 0 if examined.passed else 1
    actor = actor_of(options, break_glass=options.break_glass)
    if terms is not None:
        rollout = start_rollout(session, actor, examined, terms, force=options.force)
        included_by = [each.name for each in examined.checked if each.because is not None]
        print_stepped(rollout, as_json=options.json, included_by=included_by)
        return 0
    activated = activate(session, actor, examined, force=options.force)
    print_activated(activated, as_json=options.json)
    return wait_for(session, activated, options)


def _terms(options: argparse.Namespace) -> Terms | None:
    """Of a rollout, if one is asked for."""
    from prompt_worker.experiments.rollouts.starting import Terms
    from prompt_worker.experiments.rollouts.steps import TermsError, steps_from

    if options.canary is None and options.steps is None:
        if options.auto_rollback or options.count_violations:
            raise TermsError("--auto-rollback and --count-violations are of a rollout: add --canary 10")
        return None
    if options.wait:
        raise TermsError("--wait is for a version that everybody gets: leave it out with --canary")
    return Terms(
        steps=steps_from(options.canary, options.steps),
        unit_kind=options.unit,
        auto_rollback=options.auto_rollback,
        counts_violations=options.count_violations,
    )
