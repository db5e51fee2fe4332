"""`prompt-worker guardrails test`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from prompt_worker.commands.command import Commands, add_command


def add(commands: Commands) -> None:
    test = add_command(
        commands,
        "test",
        _test,
        "what a text triggers, its spans marked; exit code 1 when it triggers something",
        extra="guardrails",
    )
    test.add_argument("text", metavar="TEXT", help="a text, or - to read standard input")
    test.add_argument(
        "--guardrails",
        type=Path,
        metavar="FILE",
        help='JSON: [{"name", "type", "config"}, …] (default: the guardrails of a new database)',
    )


def _test(options: argparse.Namespace) -> int:
    from prompt_worker.commands.guardrails.marked_text import print_findings
    from prompt_worker.guardrails.defaults import read_guardrails
    from prompt_worker.guardrails.evaluation import evaluate
    from prompt_worker.guardrails.fields import Execution
    from prompt_worker.guardrails.registry import compile_guardrail

    text = sys.stdin.read() if options.text == "-" else options.text
    evaluators = [compile_guardrail(guardrail) for guardrail in read_guardrails(options.guardrails)]
    return print_findings(text, evaluate(evaluators, [Execution(prompt=text)])[0])
