"""`prompt-worker prompts rules`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prompt_worker.commands.command import Commands, add_command
from prompt_worker.commands.prompts.acting import EXTRA, actor_of, add_actor, version_number
from prompt_worker.commands.prompts.context import context_entry
from prompt_worker.commands.prompts.json_file import read_json

if TYPE_CHECKING:
    from prompt_worker.prompts.authoring.releases.ruling import Edit

_SIZE_LIMIT = 1_000_000


def add(commands: Commands) -> None:
    rules = add_command(
        commands,
        "rules",
        _rules,
        "show or change which version services get for what they pass as context",
        details="The first rule that holds decides; where none does, the version in production is served. Without an "
        "option it shows the rules.",
        extra=EXTRA,
    )
    add = rules.add_argument
    add("name", metavar="NAME", help="the prompt's name, such as tutor/hints")
    change = rules.add_mutually_exclusive_group()
    change.add_argument(
        "--add", action="store_true", help="add a rule: --when, and --version or --label; last, or --at"
    )
    change.add_argument("--remove", type=_place, metavar="N", help="remove the rule with this number")
    change.add_argument(
        "--set",
        type=Path,
        metavar="FILE",
        help="replace all of them by those in a JSON file, or in standard input (-): "
        '[{"when": {"grade": {"from": 5, "to": 7}}, "version": 3}]; [] removes all',
    )
    add(
        "--when",
        action="append",
        type=context_entry,
        metavar="KEY=VALUE",
        help="what the context has to have; repeatable, all must hold. VALUE is JSON, or else a text, and may be "
        '{"in": [...]} or {"from": A, "to": B}',
    )
    target = rules.add_mutually_exclusive_group()
    target.add_argument("--version", type=version_number, metavar="N", help="then this version is served")
    target.add_argument("--label", metavar="LABEL", help="then the version with this label is served")
    add("--at", type=_place, metavar="N", help="add it as rule N, before the one that has this number now")
    add("--json", action="store_true", help="print one JSON object per rule")
    add_actor(rules)


def _place(text: str) -> int:
    """The number of a rule, as argparse reads one."""
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 5 and int(text)):
        raise argparse.ArgumentTypeError(f"{text}: expected the number of a rule, from 1")
    return int(text)


def _rules(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.prompts.reports.rules import print_rules
    from prompt_worker.prompts.authoring.releases.ruling import change_rules, read_rules

    edit = _edit(options)
    session = open_session("prompts")
    if edit is None:
        print_rules(options.name, read_rules(session, options.name), as_json=options.json)
        return 0
    ruled = change_rules(session, actor_of(options), options.name, edit)
    print_rules(options.name, ruled.now, as_json=options.json, before=ruled.before)
    return 0


def _edit(options: argparse.Namespace) -> Edit | None:
    """Raises `BadNameError` for options that do not belong together."""
    from prompt_worker.prompts.authoring.naming import BadNameError
    from prompt_worker.prompts.authoring.releases.ruling import added, removed

    parts = options.when is not None or options.version is not None or options.label is not None
    if options.add != parts or (options.at is not None and not options.add):
        raise BadNameError(
            "give --add with --when KEY=VALUE and --version N or --label LABEL; --at only with --add"
        )
    if options.add:
        if options.when is None or (options.version is None and options.label is None):
            raise BadNameError("--add needs --when KEY=VALUE, and --version N or --label LABEL")
        return added(_rule(options), options.at)
    if options.remove is not None:
        return removed(options.remove)
    if options.set is not None:
        given = read_json(options.set, _SIZE_LIMIT)
        return lambda _: given
    return None


def _rule(options: argparse.Namespace) -> dict[str, Any]:
    from prompt_worker.prompts.authoring.releases.ruling_checks import RulesError

    when = dict(options.when)
    if len(when) < len(options.when):
        raise RulesError("a key is given twice: each key of the context has one condition")
    target = {"version": options.version} if options.label is None else {"label": options.label}
    return {"when": when, **target}
