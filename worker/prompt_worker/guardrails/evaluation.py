"""Guardrails over executions, in one batch: every different text is looked at once by every guardrail that needs it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from prompt_worker.guardrails.detectors import prompt_injection, toxic_content
from prompt_worker.guardrails.fields import PROMPT, Execution, Field, fields
from prompt_worker.guardrails.finding import Finding, HashKey, Match, preview
from prompt_worker.guardrails.registry import Evaluator
from prompt_worker.guardrails.texts import Batch

FINDINGS_LIMIT = 100  # of one guardrail in one field: enough to act on

PASSAGE_RULES = frozenset({prompt_injection.UNNAMED, toxic_content.UNNAMED})
_JOINTS = " \t\r\n,.;:!?-\"'()[]{}"  # what a template puts between two values

Outcome = Literal["allow", "warn", "block"]


@dataclass(frozen=True)
class Result:
    """The findings of one execution; `outcome` is the strictest action among them."""

    findings: tuple[Finding, ...] = ()
    checked: tuple[str, ...] = field(default=(), repr=False)  # names of the guardrails that applied

    @property
    def outcome(self) -> Outcome:
        actions = {finding.action for finding in self.findings}
        return "block" if "block" in actions else "warn" if "warn" in actions else "allow"


def evaluate(
    evaluators: Sequence[Evaluator], executions: Sequence[Execution], key: HashKey | None = None
) -> list[Result]:
    """One result for each execution, in order. Pure: no database, no clock, no network."""
    split = [fields(execution) for execution in executions]
    index = {
        text: place
        for place, text in enumerate(dict.fromkeys([one.text for several in split for one in several]))
    }
    applying = _applying(evaluators, executions)
    needed = {id(evaluator): evaluator for applied, _ in applying for evaluator in applied}
    sets = [patterns for evaluator in evaluators for patterns in evaluator.detector.sets]
    batch = Batch(list(index), sets=sets)
    matches = {name: evaluator.detector.detect(batch) for name, evaluator in needed.items()}
    hit = {text for found in matches.values() for text, its in zip(index, found, strict=True) if its}
    results = []
    for (applied, checked), several in zip(applying, split, strict=True):
        findings: tuple[Finding, ...] = ()
        if hit and not hit.isdisjoint([one.text for one in several]):
            findings = tuple(
                finding
                for evaluator in applied
                for finding in _findings(evaluator, several, matches[id(evaluator)], index, key)
            )
        results.append(Result(findings, checked))
    return results


def _applying(
    evaluators: Sequence[Evaluator], executions: Sequence[Execution]
) -> list[tuple[Sequence[Evaluator], tuple[str, ...]]]:
    # For each execution its evaluators and their names, the same for those of one template.
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
    matches: Sequence[Sequence[Match]],
    index: dict[str, int],
    key: HashKey | None,
) -> Iterator[Finding]:
    seen: dict[str, set[str]] = {}
    for one in execution_fields:
        found = matches[index[one.text]][:FINDINGS_LIMIT]
        seen[one.name] = {match.rule for match in found}
        for match in found:
            if one.name == PROMPT and _told_already(match, one, seen):
                continue
            yield _finding(evaluator, one, match, key)


def _told_already(match: Match, prompt: Field, seen: dict[str, set[str]]) -> bool:
    here = [
        (start, end, name) for start, end, name in prompt.values if match.start < end and start < match.end
    ]
    if any(match.rule in seen.get(name, ()) for _, _, name in here):
        return True
    # A model's opinion of pieces of values, torn from their context, is none; of other input it is.
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
