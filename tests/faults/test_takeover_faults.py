"""A takeover of a live database that is killed, at each step and in the midst of them, or begun twice, ends well."""

from __future__ import annotations

import random
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import psycopg2
import pytest
from sqlalchemy import Engine, text

from prompt_schema.migrate import migrate, read
from prompt_schema.statistics import recount
from prompt_schema.verify import verify
from prompt_worker.local.servers.postgres import Postgres
from tests.support.live_service import Service
from tests.support.live_shapes import copied, live_database, url_of
from tests.support.warm import WarmProcess

EXECUTIONS = 5_000
KILLED = -9
# Prints what it does, and kills itself after the first line that is not in the file named by its second argument.
RUNNER = """
import os, signal, sys
from pathlib import Path
from prompt_schema.migrate import migrate
from prompt_worker.platform.postgres.engine import connect
seen = Path(sys.argv[2]).read_text().splitlines() if len(sys.argv) > 2 else None
def report(line):
    print(line, flush=True)
    if seen is not None and line not in seen:
        os.kill(os.getpid(), signal.SIGKILL)
migrate(connect(sys.argv[1], application_name="killed"), report)
"""
KEPT = """
    SELECT md5(string_agg((to_jsonb(e) - ARRAY['status', 'executed_at', 'model', 'provider', 'input_tokens',
                                               'output_tokens', 'experiment_id', 'experiment_phase',
                                               'assignment_unit', 'prompt_source', 'selection',
                                               'registry_revision', 'language', 'content_sha256', 'attempt',
                                               'service'])::text, '' ORDER BY id))
    FROM prompt_executions e WHERE rendered_prompt <> 'while it is taken over'
"""


@pytest.fixture(scope="module")
def live_databases() -> dict[str, str]:
    """By server, the name of its live database."""
    return {}


@pytest.fixture
def live(postgres: Postgres, live_databases: dict[str, str]) -> Iterator[Engine]:
    """A new copy of a live database."""
    if postgres.url not in live_databases:
        name = f"live_{uuid4().hex[:12]}"
        with closing(psycopg2.connect(postgres.url)) as connection:
            connection.autocommit = True
            connection.cursor().execute(f"CREATE DATABASE {name} TEMPLATE template0")
        with closing(psycopg2.connect(url_of(postgres, name))) as connection:
            connection.cursor().execute(live_database(EXECUTIONS))
            connection.commit()
        live_databases[postgres.url] = name
    with copied(postgres, live_databases[postgres.url]) as engine:
        yield engine


def url(engine: Engine) -> str:
    return engine.url.set(drivername="postgresql").render_as_string(hide_password=False)


def runner(engine: Engine, *seen: Path) -> WarmProcess:
    return WarmProcess(
        ["-c", RUNNER, url(engine), *map(str, seen)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def scalar(engine: Engine, query: str) -> object:
    with engine.connect() as connection:
        return connection.scalar(text(query))


def check(engine: Engine, kept: object, inserted: int) -> None:
    """Nothing is lost, changed or miscounted, and nothing is left to do."""
    assert inserted
    assert scalar(engine, KEPT) == kept
    assert scalar(engine, "SELECT count(*) FROM prompt_executions") == EXECUTIONS + inserted
    assert [found for found in verify(engine) if not found.ok] == []
    assert recount(engine) == []
    assert migrate(engine) == []


@pytest.mark.embedded_only
def test_takeover_killed_after_each_of_its_steps_ends_well(live: Engine, tmp_path: Path) -> None:
    """One runner after the other: each is killed after the first step that none before it has reached."""
    kept = scalar(live, KEPT)
    service = Service(url(live))
    seen = tmp_path / "seen"
    seen.touch()
    kills = 0
    with service.inserting():
        while True:
            killed = runner(live, seen)
            printed, errors = killed.communicate(timeout=120)
            assert killed.returncode in (0, KILLED), errors
            seen.write_text(seen.read_text() + printed)
            if killed.returncode == 0:
                break
            kills += 1
    assert not service.refused
    applied = [line for line in seen.read_text().splitlines() if line.startswith("applied ")]
    assert len(applied) == len(set(applied)) == len(read()) - 1
    # Those of two migrations outside a transaction, besides one for each file.
    assert kills > len(applied) + 20
    check(live, kept, len(service.waits))


@pytest.mark.embedded_only
@pytest.mark.parametrize("seed", range(2))
def test_takeover_killed_at_any_moment_ends_well(live: Engine, seed: int) -> None:
    kept = scalar(live, KEPT)
    chance = random.Random(seed)
    service = Service(url(live))
    with service.inserting():
        for _ in range(8):
            killed = runner(live)
            assert killed.stdout
            killed.stdout.readline()
            threading.Event().wait(chance.uniform(0, 0.6))
            killed.kill()
            killed.communicate()
        last = runner(live)
        _, errors = last.communicate(timeout=120)
        assert last.returncode == 0, errors
    assert not service.refused
    check(live, kept, len(service.waits))


def test_two_runners_take_over_once(live: Engine) -> None:
    kept = scalar(live, KEPT)
    service = Service(url(live))
    with service.inserting():
        both = [runner(live), runner(live)]
        printed = "".join(one.communicate(timeout=120)[0] for one in both)
    assert [one.returncode for one in both] == [0, 0]
    applied = [line for line in printed.splitlines() if line.startswith("applied ")]
    assert len(applied) == len(set(applied)) == len(read()) - 1
    assert not service.refused
    check(live, kept, len(service.waits))
