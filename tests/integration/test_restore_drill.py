"""deploy/restore.md from its dump to its last check, as far as it needs no Google Cloud: what was lost comes again."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg2
import pytest

from prompt_worker.local.servers.postgres import Postgres, embedded_bin_dir
from tests.support.documents import REPOSITORY
from tests.support.events import bodies
from tests.support.live_shapes import url_of
from tests.support.pipeline import Pipeline

DOCUMENT = (REPOSITORY / "deploy" / "restore.md").read_text()
SUBSCRIPTIONS = re.findall(r"^for subscription in (.*); do$", DOCUMENT, re.MULTILINE)[0].split()


def steps(since: str) -> Iterator[list[str]]:
    """The arguments of each job of the document, in its order."""
    for found in re.findall(r"--args=(\S+)", DOCUMENT):
        words = found.replace('"', "").replace("$SINCE", since).split(",")
        for subscription in SUBSCRIPTIONS if "$subscription" in words else [""]:
            yield [word.replace("$subscription", subscription) for word in words]


@pytest.fixture
def restored(postgres: Postgres) -> Iterator[str]:
    name = f"restored_{uuid4().hex[:12]}"
    with closing(psycopg2.connect(postgres.url)) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"CREATE DATABASE {name} TEMPLATE template0")
        yield url_of(postgres, name)
        connection.cursor().execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def consuming(pipeline: Pipeline) -> Iterator[None]:
    with pipeline.worker(), pipeline.guardrail_worker():
        yield


def settled(pipeline: Pipeline, events: int) -> None:
    pipeline.wait_for_rows(events)
    pipeline.wait_for_evaluations(events)


@pytest.mark.embedded_only
def test_everything_published_is_there_after_a_restore(
    pipeline: Pipeline,
    restored: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    prompt_worker: Callable[..., str],
) -> None:
    since = datetime.now(UTC).isoformat()
    before, after = bodies(30, 1), bodies(30, 2)
    tools, dump = embedded_bin_dir(), tmp_path / "dump"
    with consuming(pipeline):
        pipeline.publish(before)
        settled(pipeline, 30)
        subprocess.run(
            [tools / "pg_dump", "--format=custom", f"--file={dump}", pipeline.database], check=True
        )
        # Acknowledged, and lost with the database.
        pipeline.publish(after)
        settled(pipeline, 60)
    started, log = time.monotonic(), []

    def run(jobs: list[list[str]]) -> None:
        for arguments in jobs:
            prompt_worker(*arguments)
            log.append(f"{time.monotonic() - started:5.1f} s: prompt-worker {' '.join(arguments)}")

    subprocess.run([tools / "pg_restore", f"--dbname={restored}", dump], check=True)
    pipeline.database = restored
    monkeypatch.setenv("DATABASE_URL", restored)
    assert (pipeline.rows(), pipeline.evaluations()) == (30, 30)
    jobs = list(steps(since))
    seeks = [place for place, arguments in enumerate(jobs) if arguments[0] == "seek"]
    assert len(seeks) == len(SUBSCRIPTIONS)
    run(jobs[: seeks[0]])
    assert pipeline.query("SELECT epoch FROM prompt_registry") == [(2,)]
    with consuming(pipeline):
        run(jobs[seeks[0] : seeks[-1] + 1])
        settled(pipeline, 60)
    assert jobs[seeks[-1] + 1 :] == [["verify", "--statistics"]]
    run(jobs[seeks[-1] + 1 :])
    pipeline.assert_exact([*before, *after])
    print("\n".join(log))
