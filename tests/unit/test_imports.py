"""What a service pays for `import prompt_worker`: nothing heavy, until it sends an event."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.support.documents import REPOSITORY

# With what each brings: the Pub/Sub client, tracing, the database, tables, templates.
HEAVY = {"google", "grpc", "opentelemetry", "sqlalchemy", "psycopg2", "rich", "jinja2", "markupsafe"}
# What making and asking a prompt service may load of them.
TEMPLATES = {"jinja2", "markupsafe"}
# Seconds of processor time beyond a bare interpreter. On a busy or slow machine all seconds are longer: then the start
# of the bare interpreter is the measure.
CPU_LIMIT = 0.060
BARE_STARTS = 4
RUNS = 5

IMPORT = "import prompt_worker, prompt_worker.publishing.publisher"
LIST = f"{IMPORT}; import json, sys; print(json.dumps(sorted(sys.modules)))"
CPU = "import time; print(time.process_time())"


def python(program: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=REPOSITORY
    ).stdout


def cpu(*programs: str) -> list[float]:
    """Seconds of processor time of each: the least of some runs in turns, as other programs can only add to it."""
    runs = [[float(python(program)) for program in programs] for _ in range(RUNS)]
    return [min(times) for times in zip(*runs, strict=True)]


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = {name.partition(".")[0] for name in json.loads(python(LIST))}
    assert not loaded & HEAVY


def test_prompt_service_loads_the_template_engine_alone() -> None:
    program = (
        "from prompt_worker import PromptTemplateService\n"
        "prompts = PromptTemplateService.offline('tests/examples/prompts')\n"
        "with prompts.run('nlu_topic_extraction', {'student_query': 'Why?'}):\n"
        "    pass\n"
        "import json, sys; print(json.dumps(sorted(sys.modules)))"
    )
    loaded = {name.partition(".")[0] for name in json.loads(python(program))}
    assert loaded & HEAVY == TEMPLATES


def test_service_without_the_extra_gets_the_command_that_installs_it() -> None:
    program = (
        "import sys; sys.modules['jinja2'] = None\n"
        "import prompt_worker\n"
        "try:\n"
        "    prompt_worker.PromptTemplateService\n"
        "except ModuleNotFoundError as error:\n"
        "    print(error)"
    )
    assert python(program) == "jinja2 is not installed: pip install 'prompt-worker[prompts]'\n"


def test_importing_the_package_is_fast() -> None:
    bare, imported = cpu(CPU, f"{IMPORT}; {CPU}")
    seconds = imported - bare
    print(
        f"import prompt_worker: {seconds * 1000:.0f} ms of CPU beyond a bare interpreter's {bare * 1000:.0f} ms"
    )
    assert seconds <= max(CPU_LIMIT, BARE_STARTS * bare)
