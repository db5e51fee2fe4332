"""Guardrails over executions: every different text is read once by every guardrail that applies to it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal

from prompt_worker.guardrails.detectors import prompt_injection, toxic_content
from prompt_worker.guardrails.detectors.detector import Match
from prompt_worker.guardrails.detectors.texts import Texts
from prompt_worker.guardrails.fields import PROMPT, Execution, Field, Fields, fields
from prompt_worker.guardrails.finding import Finding, HashKey, preview
from prompt_worker.guardrails.input_in_prompt import Span
from prompt_worker.guardrails.registry import Evaluator

# Of one guardrail, in one field and in one execution: enough to act on.
FINDINGS_LIMIT = 100
FINDINGS_IN_ALL = 1000

AT_ONCE = 4_000  # texts: more than the usual batch holds
REMEMBERED = 100_000  # texts that are not judged again where they are repeated

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
    evaluators: Sequence[Evaluator],
    executions: Sequence[Execution],
    key: HashKey | None = None,
    progress: Callable[[], object] = lambda: None,
) -> list[Evaluation]:
    """One evaluation for each execution, in their order. Pure: no database, no clock, no network.

    An execution that may be very large is given alone: it is then judged only as far as there are findings to come.
    `progress` is called every few thousand texts.
    """
    split = [fields(execution) for execution in executions]
    applying = _applying(evaluators, executions)
    needed = {id(evaluator): evaluator for applied, _ in applying for evaluator in applied}
    sets = [patterns for evaluator in evaluators for patterns in evaluator.detector.sets]
    matches: dict[int, Found] = {name: {} for name in needed}
    for part in _parts(split):
        texts = Texts(part, sets=sets)
        for name, evaluator in needed.items():
            if len(executions) == 1 and len(matches[name]) >= FINDINGS_IN_ALL:
                continue
            found = zip(part, evaluator.detector.detect(texts), strict=True)
            matches[name].update([(text, its[:FINDINGS_LIMIT]) for text, its in found if its])
        progress()
    hit = {text for of_one in matches.values() for text in of_one}
    evaluations = []
    for (applied, checked), several in zip(applying, split, strict=True):
        findings: tuple[Finding, ...] = ()
        if hit and not hit.isdisjoint(several.texts()):
            findings = tuple(_findings(applied, several, matches, hit, key))
        evaluations.append(Evaluation(findings, checked))
    return evaluations


def _parts(split: Sequence[Fields]) -> Iterator[Sequence[str]]:
    """Each text once, a few thousand at a time: what detectors make of one is many times as large.

    Of very many, some that are repeated are there again.
    """
    seen: set[str] = set()
    part: list[str] = []
    for several in split:
        for text in several.texts():
            if text in seen:
                continue
            if len(seen) < REMEMBERED:
                seen.add(text)
            part.append(text)
            if len(part) == AT_ONCE:
                yield part
                part = []
    if part:
        yield part


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
    evaluators: Sequence[Evaluator],
    several: Fields,
    matches: Mapping[int, Found],
    hit: Collection[str],
    key: HashKey | None,
) -> Iterator[Finding]:
    found: list[list[Finding]] = [[] for _ in evaluators]
    for one in several.named(hit):
        for evaluator, its in zip(evaluators, found, strict=True):
            of_evaluator = matches[id(evaluator)]
            for match in of_evaluator.get(one.text, ()):
                if len(its) == FINDINGS_IN_ALL:
                    break
                if one.name != PROMPT or not _found_in_a_value(match, several, of_evaluator):
                    its.append(_finding(evaluator, one, match, key))
    return chain.from_iterable(found)


def _found_in_a_value(match: Match, several: Fields, matches: Found) -> bool:
    here = [(start, end) for start, end in several.values if match.start < end and start < match.end]
    prompt = several.execution.prompt or ""
    if any(match.rule == other.rule for start, end in here for other in matches.get(prompt[start:end], ())):
        return True
    # Pieces of values, out of their context, are nothing for a model to judge; with other input between them they are.
    return bool(here) and match.rule in PASSAGE_RULES and not _has_more(several.prompt or "", match, here)


def _has_more(text: str, match: Match, values: Sequence[Span]) -> bool:
    position = match.start
    for start, end in sorted(values):
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
