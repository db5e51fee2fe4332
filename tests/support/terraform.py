"""Terraform run on a copy of deploy/, with a state on disk and a provider that keeps its project in memory."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.documents import REPOSITORY
from tests.support.google_provider.cloud import Cloud
from tests.support.google_provider.package import schemas
from tests.support.google_provider.plugin import serving


def kinds() -> set[str]:
    """The resources and data sources that deploy/ is made of."""
    files = [path for path in (REPOSITORY / "deploy").rglob("*.tf") if ".terraform" not in path.parts]
    text = "\n".join(path.read_text() for path in files)
    return {
        ("data." if word == "data" else "") + kind
        for word, kind in re.findall(r'^(resource|data) "(\w+)"', text, re.MULTILINE)
    }


class Terraform:
    """One deployment of one project. A command that fails raises `AssertionError` with what it printed."""

    def __init__(self, program: str, folder: Path, environment: dict[str, str]) -> None:
        # It would ask for a newer Terraform, and spend a quarter of its time on Go's garbage.
        self._program = program
        self._environment = environment | {"CHECKPOINT_DISABLE": "1", "GOGC": "800"}
        shutil.copytree(
            REPOSITORY / "deploy", folder / "deploy", ignore=shutil.ignore_patterns(".terraform*")
        )
        self.folder = folder / "deploy" / "terraform"
        (self.folder / "backend_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
        self.run("init", "-no-color")

    def run(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [self._program, *arguments], cwd=self.folder, env=os.environ | self._environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout
        return done.stdout

    def apply(self, environment: str, *variables: str, code: int = 0) -> str:
        """What it printed. It does not refresh: what others changed is for `changes` to find."""
        given = self._given(environment, variables)
        return self.run("apply", "-no-color", "-auto-approve", "-refresh=false", *given, code=code)

    def changes(self, environment: str, *variables: str) -> str:
        """What an apply would do now; empty where it would change nothing."""
        printed = self.run("plan", "-no-color", *self._given(environment, variables))
        return "" if "No changes." in printed else printed

    def destroy(self, environment: str) -> None:
        self.run("destroy", "-no-color", "-auto-approve", "-refresh=false", *self._given(environment, ()))

    def _given(self, environment: str, variables: tuple[str, ...]) -> list[str]:
        return [
            "-lock=false",
            "-input=false",
            f"-var-file=environments/{environment}.tfvars",
            "-var=project=p",
            *(f"-var={variable}" for variable in variables),
        ]


@contextmanager
def deployed(folder: Path) -> Iterator[tuple[Terraform, Cloud]]:
    """Terraform, and the cloud that it works on. Raises `NotAvailableError`."""
    program, cloud = shutil.which("terraform"), Cloud()
    assert program is not None
    with serving(cloud, schemas(kinds())) as environment:
        yield Terraform(program, folder, environment), cloud
