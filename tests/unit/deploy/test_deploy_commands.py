"""Every command that a document, a workflow or a deployment gives is one that the program takes."""

from __future__ import annotations

import contextlib
import io
from uuid import uuid4

import pytest

from prompt_worker.commands.cli import _parser
from prompt_worker.event.execution import parse
from tests.support.deployment import FIRST_EVENT, commands

# Words that stand for a value of the reader's own.
VALUES = {"ID": str(uuid4()), '"a': "text", 'text"': ""}


def test_commands_are_found() -> None:
    places = {where for where, _ in commands()}
    assert {"README.md", "deploy/README.md", "deploy/terraform"} <= places


@pytest.mark.parametrize(
    ("where", "arguments"), [pytest.param(*found, id=" ".join(found[1])) for found in commands()]
)
def test_the_program_takes_it(where: str, arguments: list[str]) -> None:
    given = [VALUES.get(word, word) for word in arguments]
    complaint = io.StringIO()
    refused: object = 0
    with contextlib.redirect_stderr(complaint), contextlib.redirect_stdout(io.StringIO()):
        try:
            _parser().parse_args([word for word in given if word])
        except SystemExit as ended:
            refused = ended.code
    assert not refused, f"{where}: {complaint.getvalue()}"


def test_the_first_event_of_the_document_is_a_good_one() -> None:
    event, replaced = parse(FIRST_EVENT)
    assert event.template_name == "nlu_topic_extraction"
    assert replaced == 0
