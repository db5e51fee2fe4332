"""The documents' examples run: Python and SQL in all of them, and the commands of README.md in their order."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg2
import pytest

from prompt_worker.commands.cli import main
from prompt_worker.event.execution import parse
from prompt_worker.local.demo.events import Plan
from prompt_worker.local.servers.server import free_port
from tests.support.documents import REPOSITORY, Block, blocks, examples, prompt_worker_commands
from tests.support.events import body
from tests.support.pipeline import HMAC_KEY, Pipeline, wait_until
from tests.support.replaying import statuses
from tests.support.timing import STOP_SECONDS
from tests.support.worker_process import WorkerProcess

pytestmark = pytest.mark.all_months

README = REPOSITORY / "README.md"
TEMPLATE = "fractions_tutor"
# What an example leaves to its reader.
GIVEN = {"call_the_model": lambda: '["optics"]'}


def named(found: Sequence[Block]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", [pytest.param(block, id=block.name) for block in found])


@pytest.fixture
def reader(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Pipeline:
    """A database and topics, which the environment names as it would a reader's."""
    for name, value in (pipeline.environment | {"PROMPT_WORKER_HMAC_KEY": HMAC_KEY}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return pipeline


def run(block: Block) -> None:
    """In a namespace of its own. A traceback shows the document's lines."""
    code = compile(
        "\n" * (block.line - 1) + block.text, str(REPOSITORY / block.document), "exec", dont_inherit=True
    )
    exec(code, {"__name__": "example", **GIVEN})


@pytest.mark.embedded_only
@named(examples("python"))
def test_python_example_runs(reader: Pipeline, block: Block) -> None:
    run(block)


@pytest.mark.embedded_only
def test_publishing_example_arrives_as_two_valid_events(reader: Pipeline) -> None:
    (example,) = (block for block in blocks(README) if block.language == "python")
    run(example)
    arrived = reader.pull_all(reader.writer, 2)
    events = [parse(message.data)[0] for message in arrived]
    assert [(event.template_name, event.status, event.model_response) for event in events] == [
        ("nlu_topic_extraction", "success", '["optics"]')
    ] * 2
    assert events[0].execution_time_ms == 412


@named(examples("sql"))
def test_sql_example_runs(database: str, block: Block) -> None:
    connection = psycopg2.connect(database)
    with connection.cursor() as cursor:
        cursor.execute(block.text)
    connection.close()


def commands_under(heading: str) -> list[list[str]]:
    """Of README.md's section."""
    section = README.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [
        command
        for block in blocks(README)
        if block.text in section
        for command in prompt_worker_commands(block)
    ]


@pytest.mark.embedded_only
def test_commands_of_run_work_in_their_order(
    empty_database: str, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {
        "DATABASE_URL": empty_database,
        "PUBSUB_PROJECT_ID": project,
        "PORT": str(free_port()),
        "PROMPT_WORKER_PROGRESS_SECONDS": "0.2",
        # As the emulator has none.
        "PROMPT_WORKER_PUSH_WITHOUT_TOKEN": "true",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    commands = commands_under("Run")
    assert len(commands) == 10
    for command in commands:
        if command[0] not in ("run", "serve"):
            assert main(command) == 0, command
            continue
        with WorkerProcess(settings, "-m", "prompt_worker", *command) as worker:
            code, seconds = worker.terminate()
        assert (code, seconds < STOP_SECONDS) == (0, True), worker.output


@pytest.mark.embedded_only
def test_commands_of_look_after_it_end_with_a_row(
    pipeline: Pipeline, prompt_worker: Callable[..., str]
) -> None:
    pipeline.publish([body(template_name=TEMPLATE)], **{"ce-type": "prompt.execution.v1"})
    with pipeline.command("run", "executions"), pipeline.command("run", "dead-letters"):
        wait_until(lambda: statuses(pipeline) == {"pending": 1}, 60, lambda: str(statuses(pipeline)))
        pipeline.query(
            "INSERT INTO prompt_templates (name, version, template_text, is_active) VALUES (%s, 1, '-', true)",
            TEMPLATE,
        )
        printed = [prompt_worker(*command) for command in commands_under("Look after it")]
    assert "unknown_template" in printed[0]
    assert "1 would be written" in printed[1]
    assert "1 resolved" in printed[2]
    assert printed[3] == "every counter equals a recount of the rows\n"


@pytest.mark.embedded_only
def test_commands_of_the_schemas_readme_run(prompt_worker: Callable[..., str]) -> None:
    commands = [
        command
        for block in blocks(REPOSITORY / "schema" / "README.md")
        for command in prompt_worker_commands(block)
    ]
    assert ["rebuild-statistics"] in commands
    for command in commands:
        prompt_worker(*command)


def test_readme_shows_what_make_up_prints() -> None:
    """`Plan` is what `make up` publishes; tests/integration/test_up.py runs it with fewer events."""
    (shown,) = (block.text for block in blocks(README) if "nothing is lost" in block.text)
    plan = Plan(5000)
    assert (
        f"{plan.total:,} published = {plan.rows:,} written + {plan.duplicates} duplicates "
        f"+ {plan.bad} dead-lettered: nothing is lost"
    ) in shown
    runs = [int(count.replace(",", "")) for count in re.findall(r" v1 +([\d,]+) ", shown)]
    assert sum(runs) == plan.rows
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    assert f"--demo {plan.total} " in makefile


def test_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 150
