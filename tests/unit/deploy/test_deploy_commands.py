"""Every command that a document, a workflow or a deployment gives is one that the program accepts."""

from __future__ import annotations

import contextlib
import io
from uuid import uuid4

import pytest

from prompt_worker.commands.cli import _parser
from prompt_worker.event.execution import parse
from tests.support.deployment import FIRST_EVENT, commands

# Words that a reader replaces by a value.
VALUES = {"ID": str(uuid4())}


def test_commands_are_found_in_every_place() -> None:
    places = {where for where, _ in commands()}
    assert {"README.md", "deploy/README.md", "schema/README.md", "deploy/terraform"} <= places


@pytest.mark.parametrize(
    ("where", "arguments"), [pytest.param(*found, id=" ".join(found[1])) for found in commands()]
)
def test_command_is_accepted_by_the_parser(where: str, arguments: list[str]) -> None:
    given = [VALUES.get(word, word) for word in arguments]
    complaint = io.StringIO()
    refused: object = 0
    with contextlib.redirect_stderr(complaint), contextlib.redirect_stdout(io.StringIO()):
        try:
            _parser().parse_args(given)
        except SystemExit as ended:
            refused = ended.code
    assert not refused, f"{where}: {complaint.getvalue()}"


def test_first_event_of_the_document_is_valid() -> None:
    event, replaced = parse(FIRST_EVENT)
    assert event.template_name == "nlu_topic_extraction"
    assert replaced == 0
