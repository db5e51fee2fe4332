"""Guardrails over executions: every different text is read once by every guardrail that applies to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from prompt_worker.guardrails.detectors import prompt_injection, toxic_content
from prompt_worker.guardrails.detectors.detector import Match
from prompt_worker.guardrails.detectors.texts import Texts
from prompt_worker.guardrails.fields import PROMPT, Execution, Field, fields
from prompt_worker.guardrails.finding import Finding, HashKey, preview
from prompt_worker.guardrails.registry import Evaluator

FINDINGS_LIMIT = 100  # of one guardrail in one field: enough to act on

AT_ONCE = 4_000  # texts: more than the usual batch holds

PASSAGE_RULES = frozenset({prompt_injection.UNNAMED, toxic_content.UNNAMED})
_JOINTS = " \t\r\n,.;:!?-\"'()[]{}"  # what a template puts between two values

Decision = Literal["allow", "warn", "block"]
# By text; only of those in which a guardrail found something.
Found = dict[str, Sequence[Match]]


@dataclass(frozen=True)
class Evaluation:
    """What the guardrails found in one execution. `checked` are the names of those that applied."""

    findings: tuple[Finding, ...] = ()
    checked: tuple[str, ...] = field(default=(), repr=False)

    @property
    def outcome(self) -> Decision:
        """The strictest action among the findings, `allow` where none is more than `log`."""
        actions = {finding.action for finding in self.findings}
        return "block" if "block" in actions else "warn" if "warn" in actions else "allow"


def evaluate(
    evaluators: Sequence[Evaluator], executions: Sequence[Execution], key: HashKey | None = None
) -> list[Evaluation]:
    """One evaluation for each execution, in their order. Pure: no database, no clock, no network."""
    split = [fields(execution) for execution in executions]
    different = list(dict.fromkeys([one.text for several in split for one in several]))
    applying = _applying(evaluators, executions)
    needed = {id(evaluator): evaluator for applied, _ in applying for evaluator in applied}
    sets = [patterns for evaluator in evaluators for patterns in evaluator.detector.sets]
    matches: dict[int, Found] = {name: {} for name in needed}
    for part in _parts(different):
        texts = Texts(part, sets=sets)
        for name, evaluator in needed.items():
            found = zip(part, evaluator.detector.detect(texts), strict=True)
            matches[name].update([(text, its) for text, its in found if its])
    hit = {text for of_one in matches.values() for text in of_one}
    evaluations = []
    for (applied, checked), several in zip(applying, split, strict=True):
        findings: tuple[Finding, ...] = ()
        if hit and not hit.isdisjoint([one.text for one in several]):
            findings = tuple(
                finding
                for evaluator in applied
                for finding in _findings(evaluator, several, matches[id(evaluator)], key)
            )
        evaluations.append(Evaluation(findings, checked))
    return evaluations


def _parts(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """A few thousand at a time: what detectors make of a text is many times as large, and an event may hold many."""
    for start in range(0, len(texts), AT_ONCE):
        yield texts[start : start + AT_ONCE]


def _applying(
    evaluators: Sequence[Evaluator], executions: Sequence[Execution]
) -> list[tuple[Sequence[Evaluator], tuple[str, ...]]]:
    # For each execution its evaluators and their names: the same objects for all executions of one template.
    known: dict[tuple[str | None, str | None], tuple[Sequence[Evaluator], tuple[str, ...]]] = {}
    for execution in executions:
        of = (execution.template_name, execution.category)
        if of not in known:
            applied = [evaluator for evaluator in evaluators if evaluator.guardrail.applies_to(*of)]
            known[of] = applied, tuple(evaluator.guardrail.name for evaluator in applied)
    return [known[execution.template_name, execution.category] for execution in executions]


def _findings(
    evaluator: Evaluator,
    execution_fields: Sequence[Field],
    matches: Found,
    key: HashKey | None,
) -> Iterator[Finding]:
    seen: dict[str, set[str]] = {}
    for one in execution_fields:
        found = matches.get(one.text, ())[:FINDINGS_LIMIT]
        seen[one.name] = {match.rule for match in found}
        for match in found:
            if one.name == PROMPT and _found_in_a_value(match, one, seen):
                continue
            yield _finding(evaluator, one, match, key)


def _found_in_a_value(match: Match, prompt: Field, seen: dict[str, set[str]]) -> bool:
    here = [
        (start, end, name) for start, end, name in prompt.values if match.start < end and start < match.end
    ]
    if any(match.rule in seen.get(name, ()) for _, _, name in here):
        return True
    # Pieces of values, out of their context, are nothing for a model to judge; with other input between them they are.
    return bool(here) and match.rule in PASSAGE_RULES and not _has_more(prompt.text, match, here)


def _has_more(text: str, match: Match, values: Sequence[tuple[int, int, str]]) -> bool:
    position = match.start
    for start, end, _ in sorted(values):
        if start > position and text[position:start].strip(_JOINTS):
            return True
        position = max(position, end)
    return bool(text[position : match.end].strip(_JOINTS))


def _finding(evaluator: Evaluator, one: Field, match: Match, key: HashKey | None) -> Finding:
    guardrail, matched = evaluator.guardrail, one.text[match.start : match.end]
    return Finding(
        guardrail_id=guardrail.id,
        guardrail_name=guardrail.name,
        guardrail_type=guardrail.type,
        config_hash=guardrail.config_hash,
        severity=guardrail.severity,
        action=guardrail.action,
        field=one.name,
        rule=match.rule,
        start=match.start,
        end=match.end,
        score=match.score,
        preview=preview(match.rule, matched),
        match_hmac=key.digest(matched) if key else None,
        hmac_key_id=key.id if key else None,
        detector_version=evaluator.detector.version,
    )
