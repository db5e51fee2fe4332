"""`python -m tests.guardrails_quality train|evaluate|evasions`: how well guardrails judge labelled texts.

Training and labelled texts are no part of the installed package: an operator has no use for them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import get_args

from prompt_worker.guardrails.defaults import read_guardrails
from prompt_worker.guardrails.registry import Evaluator, compile_guardrail
from prompt_worker.platform.failures import SettingsError
from tests.guardrails_quality.evasions import measure_evasions
from tests.guardrails_quality.labelled import LabelledText, Part, part, read
from tests.guardrails_quality.measure import count_spans, count_texts, judge, total
from tests.guardrails_quality.tables import Row, print_evasions, print_measures

_LABELLED_TYPES = ("pii_detection", "prompt_injection", "toxic_content")
_EVASION_TEXTS = 300
_TYPE_OF_FILE = {"toxic": "toxic_content", "inject": "prompt_injection", "pii": "pii_detection"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one of them; its exit code. Raises `SettingsError`."""
    parser = argparse.ArgumentParser(prog="python -m tests.guardrails_quality", description=__doc__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    training = commands.add_parser("train", help="train the models that come with the package")
    training.set_defaults(command=_train)
    training.add_argument("folder", metavar="FOLDER", type=Path, help="the training files")
    evaluating = commands.add_parser("evaluate", help="precision, recall and false positives")
    evaluating.set_defaults(command=evaluate)
    evading = commands.add_parser("evasions", help="which ways of hiding a flagged text are seen through")
    evading.set_defaults(command=evasions)
    for measuring in (evaluating, evading):
        add = measuring.add_argument
        add("files", metavar="FILE", type=Path, nargs="+", help="labelled texts, as JSON lines")
        add("--part", choices=(*get_args(Part), "all"), default="all", help="only this part of each file")
        add("--type", choices=_LABELLED_TYPES, help="what the labels mean (default: by the name of the file)")
        add("--guardrails", type=Path, metavar="FILE", help="default: the guardrails of a new database")
        add("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    code: int = options.command(options)
    return code


def _train(options: argparse.Namespace) -> int:
    from tests.guardrails_quality.training.training import train

    train(options.folder)
    return 0


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
    return [compile_guardrail(guardrail) for guardrail in read_guardrails(options.guardrails)]


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


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SettingsError as error:
        sys.exit(str(error))
