"""The wheel: what is in it, and that it lives beside other packages with short names."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from tests.support.documents import REPOSITORY

# A Celery or RQ project's own file, and the well-known library.
LOCAL_WORKER = "from prompt_worker import Publisher\n\nWHOSE = 'the service'\n"
NEIGHBOUR = "schema"
IMPORTS = """
import schema
import worker
import prompt_schema
import prompt_worker

assert schema.Schema(int).validate(3) == 3
assert worker.WHOSE == "the service"
assert worker.Publisher is prompt_worker.Publisher
assert prompt_worker.ExecutionEvent
print(prompt_worker.__file__, prompt_schema.__file__, schema.__file__, sep="\\n")
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: what an earlier build left beside the sources would be packed too."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in listed("*"):
        copy = folder / "source" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, copy)
    pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(folder / "source"))
    (built,) = folder.glob("*.whl")
    return built


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    subprocess.run(command, check=True, timeout=120)


def content(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as opened:
        return set(opened.namelist())


def listed(pattern: str) -> list[str]:
    """The repository's files of a pattern, those that git does not know yet included."""
    found = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", pattern],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [name for name in found.stdout.splitlines() if (REPOSITORY / name).exists()]


def inside_wheel(name: str) -> str:
    """Without the source root, `worker` or `schema`."""
    return str(PurePosixPath(*PurePosixPath(name).parts[1:]))


@pytest.mark.parametrize(
    "pattern",
    [
        "worker/**/*.py",
        "schema/**/*.py",
        "worker/**/*.sql",
        "schema/prompt_schema/migrations/*.sql",
        "schema/prompt_schema/verify/**",
        "schema/prompt_schema/events/*.json",
        "worker/**/*.npz",
        "worker/**/lexicons/*.txt",
        "worker/**/*.html",
        "worker/**/static/*",
        "*/py.typed",
    ],
)
def test_wheel_holds_every_file_of_a_kind(wheel: Path, pattern: str) -> None:
    wanted = {inside_wheel(name) for name in listed(pattern)}
    assert wanted
    assert wanted - content(wheel) == set()


def test_wheel_holds_nothing_that_only_the_repository_needs(wheel: Path) -> None:
    inside = content(wheel)
    assert {name.partition("/")[0].partition("-")[0] for name in inside} == {"prompt_worker", "prompt_schema"}
    folders = {part for name in inside for part in PurePosixPath(name).parts[:-1]}
    assert folders & {"tests", "training", "quality", "benchmarks", "guardrails_quality"} == set()
    assert [name for name in inside if "sklearn" in name or name.endswith("/README.md")] == []


def test_wheel_lives_beside_schema_and_a_local_worker(wheel: Path, tmp_path: Path) -> None:
    """In an environment of its own: what is imported is what was installed there, not this repository."""
    environment, service = tmp_path / "environment", tmp_path / "service"
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    constraints = str(REPOSITORY / "constraints.txt")
    pip("--python", str(python), "install", "--no-compile", "-c", constraints, str(wheel), NEIGHBOUR)
    service.mkdir()
    (service / "worker.py").write_text(LOCAL_WORKER)
    done = subprocess.run(
        [python, "-c", IMPORTS], cwd=service, env={"PYTHONSAFEPATH": ""},
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [path for path in done.stdout.split() if not Path(path).is_relative_to(environment)] == []
