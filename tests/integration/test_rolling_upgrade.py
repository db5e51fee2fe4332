"""The last release and this one beside each other, in each order that a deployment and its rollback have."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.events import bodies
from tests.support.pipeline import HMAC_KEY, Pipeline
from tests.support.release import unpack
from tests.support.worker_process import WorkerProcess

NEW = ""


class Releases:
    """`prompt-worker ARGUMENTS` of either release, with the same database and topics."""

    def __init__(self, pipeline: Pipeline, old: str) -> None:
        self.pipeline, self.old = pipeline, old
        self.published = 0

    def environment(self, release: str) -> dict[str, str]:
        found = self.pipeline.environment | {"PROMPT_WORKER_HMAC_KEY": HMAC_KEY}
        return found | ({"PYTHONPATH": release} if release else {})

    def run(self, release: str, *arguments: str, given: bytes = b"", code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "prompt_worker", *arguments], env=os.environ | self.environment(release),
            input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout.decode()
        return done.stdout.decode()

    def worker(self, release: str, name: str, **settings: str) -> WorkerProcess:
        return WorkerProcess(self.environment(release) | settings, "-m", "prompt_worker", "run", name)

    def publish(self, release: str, count: int = 20) -> None:
        """Through that release's own publisher."""
        events = bodies(count, self.published)
        self.run(release, "publish", "-", given=b"\n".join(events) + b"\n")
        self.published += count

    def settled(self) -> None:
        """Every event is one row and one evaluation."""
        self.pipeline.wait_for_rows(self.published)
        self.pipeline.wait_for_evaluations(self.published)
        assert (self.pipeline.rows(), self.pipeline.evaluations()) == (self.published, self.published)


@pytest.fixture
def releases(empty_database: str, project: str, tmp_path: Path) -> Iterator[Releases]:
    old = unpack(tmp_path)
    pipeline = Pipeline(project, empty_database)
    yield Releases(pipeline, old)
    pipeline.close()


@pytest.mark.needs("the last release")
@pytest.mark.embedded_only
def test_releases_work_beside_each_other_in_every_order(releases: Releases) -> None:
    old = releases.old
    releases.run(old, "migrate")
    # Deployed before its migration, a new worker ends, and what it was given comes again.
    releases.publish(old)
    ended = releases.run(NEW, "run", "executions", code=69)
    assert "Run 'prompt-worker migrate'" in ended
    with ExitStack() as olds, ExitStack() as news:
        for name in ("executions", "guardrails"):
            olds.enter_context(releases.worker(old, name))
        # Services are deployed first.
        releases.publish(old)
        releases.publish(NEW)
        releases.settled()
        # The schema is migrated while the old workers write.
        releases.publish(old)
        releases.run(NEW, "migrate")
        releases.publish(NEW)
        releases.publish(old)
        # Instances are replaced one after another.
        for name in ("executions", "guardrails"):
            news.enter_context(releases.worker(NEW, name))
        olds.close()
        releases.publish(old)
        releases.publish(NEW)
        releases.settled()
    # And back: the workers of before on the schema of now.
    with releases.worker(old, "executions"), releases.worker(old, "guardrails"):
        releases.publish(NEW)
        releases.publish(old)
        releases.settled()
    releases.run(NEW, "verify", "--statistics")
