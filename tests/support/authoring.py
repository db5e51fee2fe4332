"""The commands of owners on a database, and what they work on: versions and executions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from prompt_worker.commands.cli import main

Run = Callable[..., str]


class Desk:
    """An owner at `prompt-worker prompts`, with a folder of their own."""

    def __init__(self, database: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.database = database
        self.folder = folder
        self._capsys = capsys

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """All that the command prints; fails on another exit code."""
        self._capsys.readouterr()
        try:
            found = main(["prompts", *arguments])
        except SystemExit as usage:
            found = int(str(usage.code))
        printed = self._capsys.readouterr()
        assert found == code, (arguments, found, printed)
        assert "Traceback" not in printed.out + printed.err
        return printed.out + printed.err

    def objects(self, *arguments: str, code: int = 0) -> list[Any]:
        """The objects that it prints with --json."""
        return [
            json.loads(line)
            for line in self(*arguments, "--json", code=code).splitlines()
            if line.startswith("{")
        ]

    def file(self, text: str, name: str = "a") -> str:
        path = self.folder / f"{name}.prompt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        return str(path)

    def create(self, name: str, text: str) -> int:
        """The number of the version that was saved."""
        (line,) = self.objects("create", name, self.file(text))
        return int(line["version"])

    def release(self, name: str, text: str) -> int:
        version = self.create(name, text)
        self("activate", name, str(version))
        return version

    def production(self, name: str) -> int | None:
        (found,) = (each for each in self.objects("list") if each["name"] == name)
        version: int | None = found["production"]
        return version

    def query(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with closing(psycopg2.connect(self.database)) as connection:
            with connection.cursor() as cursor:
                cursor.execute(statement, parameters)
                found = cursor.fetchall() if cursor.description else []
            connection.commit()
            return found

    def executed(
        self,
        name: str,
        version: int,
        variables: Mapping[str, Any],
        rendered: str = "-",
        *,
        service: str | None = "tutor",
        selection: str | None = "production",
        revision: int | None = None,
    ) -> None:
        """As if a service had just executed it."""
        self.query(
            "INSERT INTO prompt_executions (id, template_id, template_name, template_version, input_variables, "
            "rendered_prompt, status, executed_at, service, selection, registry_revision) "
            "SELECT uuid_v7(), id, name, version, %s, %s, 'success', clock_timestamp(), %s, %s, %s "
            "FROM prompt_templates WHERE name = %s AND version = %s",
            json.dumps(variables),
            rendered,
            service,
            selection,
            revision,
            name,
            version,
        )

    def as_role(self, role: str, *others: str) -> str:
        """The URL of a login that has these roles alone, in every database of its cluster; named after all of them."""
        login = f"{'_'.join([role, *(other.removeprefix('prompt_') for other in others)])}_login"
        self.query(
            f"DO $$ BEGIN CREATE ROLE {login} LOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; "
            f"END $$; GRANT {', '.join([role, *others])} TO {login}"
        )
        return self.database.replace("//postgres@", f"//{login}@")
