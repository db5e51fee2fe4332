"""`prompt-worker guardrails test`: what a text triggers."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec

from prompt_worker.commands.guardrails.tables import print_test
from prompt_worker.guardrails.defaults import DEFAULT_GUARDRAILS
from prompt_worker.guardrails.evaluation import evaluate as evaluate_executions
from prompt_worker.guardrails.fields import Execution
from prompt_worker.guardrails.guardrail import Guardrail
from prompt_worker.guardrails.registry import Evaluator, compile_guardrail
from prompt_worker.platform.failures import SettingsError


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


def _compiled(options: argparse.Namespace) -> list[Evaluator]:
    return [compile_guardrail(guardrail) for guardrail in read_guardrails(options.guardrails)]
