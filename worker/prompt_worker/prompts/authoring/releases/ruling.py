"""Rules of a name: which version services get whose context fits, in their order, before the one in production."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.session import Session
from prompt_worker.prompts.authoring.acting import APPROVER, Actor, changing, reading
from prompt_worker.prompts.authoring.checks.checking import check_versions
from prompt_worker.prompts.authoring.checks.surroundings import read_surroundings
from prompt_worker.prompts.authoring.refusals import ReleaseError
from prompt_worker.prompts.authoring.releases.ruling_checks import RulesError, checked_rules, targets
from prompt_worker.prompts.authoring.stored import Version, missing, read_heads, read_versions
from prompt_worker.prompts.errors import short
from prompt_worker.prompts.version import Stored

_LABELS = (
    "SELECT l.label, t.version FROM prompt_labels l JOIN prompt_templates t ON t.id = l.template_id "
    "WHERE l.name = %s"
)
_RULES = "SELECT rules FROM prompt_names WHERE name = %s"
_SET = "UPDATE prompt_names SET rules = %s::jsonb WHERE name = %s AND rules = %s::jsonb"

Edit = Callable[[list[Any]], list[Any]]


class Ruled(msgspec.Struct, frozen=True):
    """The rules of a name before and now, as they are stored: the first that fits decides."""

    name: str
    before: list[Any]
    now: list[Any]


def read_rules(session: Session, name: str) -> list[Any]:
    """In their order. Raises `UnknownPromptError`, `NotAllowedError`, `DeploymentError`."""

    def read(cursor: cursor) -> list[Any]:
        if not read_heads(cursor, name):
            raise missing(name, 0, [])
        return rules_of(cursor, name)

    return reading(session, read)


def rules_of(cursor: cursor, name: str) -> list[Any]:
    cursor.execute(_RULES, (name,))
    found = cursor.fetchone()
    return [] if found is None else list(found[0])


def change_rules(session: Session, actor: Actor, name: str, edit: Edit) -> Ruled:
    """Stores what `edit` makes of the rules. What they serve exists and can be served; what was there is not looked at.

    Raises `RulesError`, `ReleaseError` where somebody else changed them meanwhile, `UnknownPromptError`,
    `NotAllowedError`, `DeploymentError`.
    """
    before, now, served, others = reading(session, partial(_proposed, name, edit))
    for checked in check_versions([each.as_stored(is_active=False) for each in served], others):
        if checked.error is not None:
            raise RulesError(f"version {checked.version} of {short(name)} cannot be served: {checked.error}")

    def change(cursor: cursor) -> Ruled:
        if now != before:
            cursor.execute(_SET, (json.dumps(now), name, json.dumps(before)))
            if cursor.rowcount != 1:
                raise ReleaseError(f"the rules of {short(name)} were changed just now: look at them again")
        return Ruled(name, before, now)

    return changing(session, actor, APPROVER, change)


def added(rule: Any, at: int | None) -> Edit:
    """An edit: at this place, counted from 1, or as the last one."""

    def edit(rules: list[Any]) -> list[Any]:
        place = len(rules) if at is None else min(at - 1, len(rules))
        return [*rules[:place], rule, *rules[place:]]

    return edit


def removed(number: int) -> Edit:
    """An edit, which raises `RulesError` where there is no such rule."""

    def edit(rules: list[Any]) -> list[Any]:
        if number > len(rules):
            has = f"it has {len(rules)}" if rules else "it has none"
            raise RulesError(f"there is no rule {number}: {has}")
        return [*rules[: number - 1], *rules[number:]]

    return edit


def _proposed(
    name: str, edit: Edit, cursor: cursor
) -> tuple[list[Any], list[Any], list[Version], list[Stored]]:
    """The rules before and now, the versions that new ones serve, and what these are compiled with."""
    heads = read_heads(cursor, name)
    if not heads:
        raise missing(name, 0, [])
    cursor.execute(_LABELS, (name,))
    labels: dict[str, int] = dict(cursor.fetchall())
    before = rules_of(cursor, name)
    now = edit(before)
    rules = checked_rules(now, {head.version: head for head in heads}, labels)
    served = _versions(cursor, name, targets(rules, labels))
    return before, now, served, read_surroundings(cursor, [each.readable() for each in served])


def _versions(cursor: cursor, name: str, numbers: Iterable[int]) -> list[Version]:
    wanted = sorted(set(numbers))
    return read_versions(cursor, name, wanted) if wanted else []
