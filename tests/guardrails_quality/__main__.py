"""`python -m tests.guardrails_quality train|evaluate|evasions`: how well guardrails judge labelled texts.

Training and labelled texts are not part of the installed package: an operator has no use for them.
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
from tests.guardrails_quality.evading import measure_evasions
from tests.guardrails_quality.evaluating import measure_files
from tests.guardrails_quality.labelled import Part, labelled_type, read_part
from tests.guardrails_quality.tables import print_evasions, print_measures

_LABELLED_TYPES = ("pii_detection", "prompt_injection", "toxic_content")
_EVASION_TEXTS = 300  # of each file


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one of the commands; its exit code. Raises `SettingsError`."""
    parser = argparse.ArgumentParser(prog="python -m tests.guardrails_quality", description=__doc__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    training = commands.add_parser("train", help="train the models that come with the package")
    training.set_defaults(command=_train)
    training.add_argument("folder", metavar="FOLDER", type=Path, help="the training files")
    evaluating = commands.add_parser("evaluate", help="precision, recall and false positives")
    evaluating.set_defaults(command=_evaluate)
    evading = commands.add_parser("evasions", help="which ways of hiding a flagged text are seen through")
    evading.set_defaults(command=_evasions)
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
    from tests.guardrails_quality.training.fitting import train

    train(options.folder)
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    measured = measure_files(_compiled(options), options.files, part=options.part, chosen_type=options.type)
    print_measures(measured, as_json=options.json)
    return 0


def _evasions(options: argparse.Namespace) -> int:
    measured = {}
    for path in options.files:
        texts = read_part(path, options.part)
        wanted = labelled_type(path, texts, options.type)
        positives = list(islice((text.text for text in texts if text.label or text.spans), _EVASION_TEXTS))
        for one in _compiled(options):
            if one.guardrail.type == wanted:
                measured[wanted] = measure_evasions(one, positives)
    print_evasions(measured, as_json=options.json)
    return 0


def _compiled(options: argparse.Namespace) -> list[Evaluator]:
    return [compile_guardrail(guardrail) for guardrail in read_guardrails(options.guardrails)]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SettingsError as error:
        sys.exit(str(error))
