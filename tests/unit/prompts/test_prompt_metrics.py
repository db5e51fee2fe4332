"""What a prompt service shows to operators: metrics, and what it loads for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from prompt_worker.prompts.serving import gauges
from tests.support.documents import REPOSITORY
from tests.support.prompts import write_prompts
from tests.support.registry import FileRegistry, soon, version

PROGRAM = """
import json, sys
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader]))
from prompt_worker import PromptTemplateService
prompts = PromptTemplateService(sys.argv[2], registry=sys.argv[1], last_good="none")
prompts.get("only/image")
assert prompts.start(wait=30)
for _ in range(3):
    prompts.get("fine")
found = {}
for metric in reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics:
    for point in metric.data.data_points:
        found[f"{metric.name} {point.attributes.get('source', '')}".strip()] = point.value
print(json.dumps(found))
"""
LOADED = """
import json, sys
from prompt_worker import PromptTemplateService
prompts = PromptTemplateService(registry=sys.argv[1], last_good="none")
prompts.start(wait=10)
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def ran(program: str, *arguments: str, **environment: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": "worker:schema:.", **environment},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_metrics_say_what_is_served_how_old_and_what_is_not(registry: FileRegistry, tmp_path: Path) -> None:
    folder = write_prompts(tmp_path / "builtin", {"only/image": "x"})
    registry.write(version("fine", 1, "x"), version("broken", 1, "{{ x"))
    found = ran(PROGRAM, f"file://{registry.path}", str(folder))
    assert found["prompt_worker_prompts_served_total live"] == 3
    assert found["prompt_worker_prompts_served_total builtin"] == 1
    assert found["prompt_worker_prompts_served_total disk"] == 0
    assert found["prompt_worker_prompts_quarantined"] == 1
    assert 0 <= found["prompt_worker_prompt_registry_age_seconds"] < 30


def test_age_grows_while_the_registry_is_unavailable(registry: FileRegistry) -> None:
    registry.write(version("a", 1, "x"))
    prompts = registry.started()
    registry.path.unlink()
    soon(lambda: (prompts.health().age_seconds or 0) > 0.5)
    assert gauges.registry_age() > 0.5
    assert prompts.get("a").age_seconds > 0.5  # type: ignore[operator]
    never = registry.service(last_good="none")
    never.start()
    soon(lambda: (never.registry_age() or 0) > 0.3)
    assert never.health().age_seconds is None


@pytest.mark.parametrize(
    ("address", "needed", "not_needed"),
    [
        ("file:///none", set(), {"psycopg2", "sqlalchemy", "google", "requests", "rich", "re2", "numpy"}),
        (
            "postgresql://user@127.0.0.1:1/x",
            {"psycopg2"},
            {"sqlalchemy", "google", "requests", "rich", "tenacity", "re2"},
        ),
        ("http://127.0.0.1:1/", set(), {"psycopg2", "sqlalchemy", "google", "requests", "rich"}),
    ],
)
def test_source_loads_what_it_needs_and_no_other(
    address: str, needed: set[str], not_needed: set[str]
) -> None:
    program = LOADED.replace("wait=10", "wait=0.5")
    loaded = set(ran(program, address))
    assert needed <= loaded
    assert not loaded & not_needed


def test_source_without_its_library_says_what_installs_it() -> None:
    program = (
        "import sys, json; sys.modules['psycopg2'] = None\n"
        "from prompt_worker import PromptTemplateService\n"
        "try:\n"
        "    PromptTemplateService(registry='postgresql://h/x')\n"
        "except ModuleNotFoundError as error:\n"
        "    print(json.dumps(str(error)))"
    )
    assert ran(program).endswith("pip install 'prompt-worker[prompts]' psycopg2-binary")


def test_environment_names_the_registry_after_an_argument(registry: FileRegistry) -> None:
    registry.write(version("a", 1, "x"))
    program = (
        "import json\n"
        "from prompt_worker import PromptTemplateService\n"
        "made = [PromptTemplateService(last_good='none', **each) for each in ({}, {'registry': 'none'})]\n"
        "made.append(PromptTemplateService.offline('tests/examples/prompts'))\n"
        "print(json.dumps([each.start(wait=20) if at == 0 else each.start() for at, each in enumerate(made)]))"
    )
    address = f"file://{registry.path}"
    assert ran(program, PROMPT_REGISTRY=address, DATABASE_URL="mysql://x") == [True, False, False]
    assert ran(program, DATABASE_URL=address) == [True, False, False]
    assert ran("import json\n" + program.replace("start(wait=20)", "start()"), PROMPT_REGISTRY="none") == [
        False,
        False,
        False,
    ]
