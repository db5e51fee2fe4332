"""prompt-worker guardrails test | evaluate | evasions: what a text triggers, and how well texts are judged."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import msgspec

from prompt_worker.guardrails.defaults import DEFAULT_GUARDRAILS
from prompt_worker.guardrails.evaluation import evaluate as evaluate_executions
from prompt_worker.guardrails.evasions import measure_evasions
from prompt_worker.guardrails.fields import Execution
from prompt_worker.guardrails.guardrail import Guardrail
from prompt_worker.guardrails.labelled import LabelledText, Part, part, read
from prompt_worker.guardrails.measure import count_spans, count_texts, judge, total
from prompt_worker.guardrails.registry import Evaluator, compile
from prompt_worker.guardrails.tables import Row, print_evasions, print_measures, print_test
from prompt_worker.platform.settings import SettingsError

_EVASION_TEXTS = 300
_TYPE_OF_FILE = {"toxic": "toxic_content", "inject": "prompt_injection", "pii": "pii_detection"}


def read_guardrails(path: Path | None) -> list[Guardrail]:
    """The guardrails in a file. Raises `SettingsError` that names the file."""
    if path is None:
        return list(DEFAULT_GUARDRAILS)
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Guardrail])
    except (OSError, msgspec.MsgspecError) as error:
        raise SettingsError(f"{path}: {error}") from None


def test(options: argparse.Namespace) -> int:
    text = sys.stdin.read() if options.text == "-" else options.text
    evaluators = _compiled(options)
    result = evaluate_executions(evaluators, [Execution(prompt=text)])[0]
    return print_test(text, result)


def evaluate(options: argparse.Namespace) -> int:
    evaluators = _compiled(options)
    rows: list[Row] = []
    for path in options.files:
        texts = _read(path, options.part)
        if texts and all(text.label is None and text.spans is None for text in texts):
            rows.extend(
                Row(path.stem, one.guardrail.type, "", count_texts(judge(one, texts))) for one in evaluators
            )
        for one in evaluators:
            if texts and one.guardrail.type == _labelled_type(path, texts, options.type):
                rows.extend(_measured(path, one, texts))
    print_measures(rows, as_json=options.json)
    return 0


def _measured(path: Path, evaluator: Evaluator, texts: Sequence[LabelledText]) -> list[Row]:
    guardrail_type = evaluator.guardrail.type
    judged = list(judge(evaluator, texts))
    if texts[0].spans is None:
        return [Row(path.stem, guardrail_type, "", count_texts(judged))]
    by_entity = count_spans(judged)
    rows = [Row(path.stem, guardrail_type, entity, counts) for entity, counts in by_entity.items()]
    return [*rows, Row(path.stem, guardrail_type, "all entities", total(by_entity.values()))]


def evasions(options: argparse.Namespace) -> int:
    measured = {}
    for path in options.files:
        texts = _read(path, options.part)
        wanted = _labelled_type(path, texts, options.type)
        positives = list(islice((text.text for text in texts if text.label or text.spans), _EVASION_TEXTS))
        for one in _compiled(options):
            if one.guardrail.type == wanted:
                measured[wanted] = measure_evasions(one, positives)
    print_evasions(measured, as_json=options.json)
    return 0


def _compiled(options: argparse.Namespace) -> list[Evaluator]:
    return [compile(guardrail) for guardrail in read_guardrails(options.guardrails)]


def _read(path: Path, wanted: Part | str) -> list[LabelledText]:
    try:
        return [text for text in read(path) if wanted in ("all", part(text))]
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None


def _labelled_type(path: Path, texts: Sequence[LabelledText], chosen: str | None) -> str | None:
    if not any(text.label is not None or text.spans is not None for text in texts):
        return None
    if chosen is not None:
        return chosen
    if any(text.spans is not None for text in texts):
        return "pii_detection"
    for name, guardrail_type in _TYPE_OF_FILE.items():
        if name in path.stem:
            return guardrail_type
    raise SettingsError(f"{path.name}: what do its labels mean? Say so with --type")
