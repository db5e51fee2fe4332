"""What is wrong with rules, found before services get them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from prompt_worker.prompts.authoring.storable import unstorable
from prompt_worker.prompts.authoring.stored import Head
from prompt_worker.prompts.content import canonical_json
from prompt_worker.prompts.errors import PromptError, short
from prompt_worker.prompts.registry.document import DocumentError, Rule
from prompt_worker.prompts.snapshot.rules import condition

# Of a name: every request that no earlier one fits tries all of them.
RULES_LIMIT = 100
# Bytes of one rule's conditions.
_SIZE_LIMIT = 10_000
_KEY = re.compile(r"[^\W\d][\w.-]{0,99}")
_PARTS = {"when", "version", "label"}
_PRODUCTION = "production"


class RulesError(PromptError):
    """Rules that no service could follow, or that would never hold. Names the rule by its number, from 1."""

    exit_code = 65


def checked_rules(given: Any, versions: Mapping[int, Head], labels: Mapping[str, int]) -> list[Rule]:
    """As services read them. `versions` and `labels` are those that the name has. Raises `RulesError`."""
    if not isinstance(given, list):
        raise RulesError('expected a list of rules, such as [{"when": {"grade": 7}, "version": 3}]')
    if len(given) > RULES_LIMIT:
        raise RulesError(f"these are {len(given):,} rules: at most {RULES_LIMIT} are allowed")
    if problem := unstorable(given):
        raise RulesError(f"these rules cannot be stored: {problem}")
    rules = [_rule(number, each) for number, each in enumerate(given, 1)]
    first: dict[str, int] = {}
    for number, rule in enumerate(rules, 1):
        for problem in _problems(rule, versions, labels):
            raise RulesError(f"rule {number}: {problem}")
        earlier = first.setdefault(canonical_json(rule.when), number)
        if earlier != number:
            raise RulesError(f"rule {number} would never hold: rule {earlier} has the same conditions")
    return rules


def targets(rules: Sequence[Rule], labels: Mapping[str, int]) -> Iterator[int]:
    """The numbers of the versions that they serve, beside the one in production."""
    for rule in rules:
        if rule.version is not None:
            yield rule.version
        elif rule.label is not None and rule.label in labels:
            yield labels[rule.label]


def _rule(number: int, given: Any) -> Rule:
    if isinstance(given, dict) and (unknown := sorted(map(str, given.keys() - _PARTS))):
        raise RulesError(
            f"rule {number}: {short(unknown[0])} is no part of a rule; it has when, and version or label"
        )
    try:
        return msgspec.convert(given, Rule)
    except msgspec.ValidationError as error:
        raise RulesError(f"rule {number} cannot be read: {error}") from None


def _problems(rule: Rule, versions: Mapping[int, Head], labels: Mapping[str, int]) -> Iterator[str]:
    if not rule.when:
        yield "it has no condition, so it would always hold: activate the version instead"
    if len(canonical_json(rule.when).encode()) > _SIZE_LIMIT:
        yield f"its conditions have more than {_SIZE_LIMIT:,} bytes"
    for key, wanted in rule.when.items():
        if not _KEY.fullmatch(key):
            yield (
                f"{short(key) or 'an empty text'} is no key of a context: it begins with a letter or an underscore and "
                "has letters, digits, underscores, dots and hyphens, 100 at most"
            )
        if isinstance(wanted, dict):
            yield from _impossible(key, wanted)
    try:
        condition(rule)
    except DocumentError:
        yield (
            'a condition is a value, {"in": [...]}, or a range of numbers or texts such as {"from": 5, "to": 7}'
        )
    yield from _unserved(rule, versions, labels)


def _impossible(key: str, wanted: Mapping[str, Any]) -> Iterator[str]:
    if wanted.get("in") == []:
        yield f"{short(key)} is in nothing, so it would never hold"
    if wanted.keys() == {"from", "to"}:
        low, high = wanted["from"], wanted["to"]
        numbers = type(low) in (int, float) and type(high) in (int, float)
        if (numbers or (type(low) is type(high) is str)) and low > high:
            yield f"{short(key)} goes from {short(str(low))} to {short(str(high))}, so it would never hold"


def _unserved(rule: Rule, versions: Mapping[int, Head], labels: Mapping[str, int]) -> Iterator[str]:
    if rule.version is not None:
        if rule.version not in versions:
            yield f"there is no version {rule.version}; it has {', '.join(map(str, sorted(versions)[-20:]))}"
        elif (group := versions[rule.version].group) is not None:
            yield f"version {rule.version} is group {short(group)} of an A/B test, which a rule does not serve"
    elif rule.label != _PRODUCTION and rule.label not in labels:
        has = ", ".join(sorted(labels)) or "none"
        yield f"there is no label {short(str(rule.label))}; it has {has}"
