"""The memory of both workers while events near Pub/Sub's limit of 10 MB wait."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from prompt_worker.event.execution import ExecutionEvent, encode
from tests.benchmarks.events import SENTENCES, Template
from tests.benchmarks.guarding import KEY
from tests.benchmarks.services import Database, VoidError
from tests.benchmarks.stage import Report
from tests.benchmarks.table import Row
from tests.benchmarks.worker_process import worker
from tests.support.pipeline import Pipeline

EVENTS = 90
SIZE = 9_500_000
GOAL = 300_000_000
CHECK_SECONDS = 0.1
STALLED_SECONDS = 300.0
DONE = {
    "executions": "SELECT count(*) FROM prompt_executions",
    "guardrails": "SELECT count(*) FROM guardrail_evaluations",
}


def measure(database: Database, report: Report) -> Row:
    """One worker after the other, each with all of them waiting when it starts."""
    report(f"publishing {EVENTS} events of {SIZE / 1e6:.1f} MB")
    database.empty()
    pipeline = Pipeline("bench-large-events", database.url)
    for body in _bodies(database.templates()):
        pipeline.publish([body])
    peaks = {}
    for consumer in DONE:
        report(f"large events: {consumer}")
        peaks[consumer] = _drain(database, pipeline.topology.project, consumer)
    pipeline.close()
    database.check(EVENTS)
    return Row(
        f"memory with {EVENTS} events of {SIZE / 1e6:.1f} MB waiting",
        f"execution worker at most {peaks['executions'] / 1e6:.0f} MB, "
        f"guardrail worker at most {peaks['guardrails'] / 1e6:.0f} MB",
        f"≤ {GOAL / 1e6:.0f} MB each",
        max(peaks.values()) <= GOAL,
        {f"{consumer}_mb": peak / 1e6 for consumer, peak in peaks.items()},
    )


def _drain(database: Database, project: str, consumer: str) -> int:
    """Resident bytes of the worker at most; raises `VoidError` where it does not settle all."""
    started = time.monotonic()
    with worker(database.url, project, consumer, **KEY) as child:
        while database.execute(DONE[consumer]) != [(EVENTS,)]:
            child.check()
            if time.monotonic() - started > STALLED_SECONDS:
                raise VoidError(f"{consumer}: {EVENTS} large events are not done in {STALLED_SECONDS:.0f} s")
            time.sleep(CHECK_SECONDS)
        peak = child.peak()
    child.forget()
    return peak


def _bodies(templates: list[Template]) -> Iterator[bytes]:
    rng = random.Random(7)
    text = " ".join(rng.choices(SENTENCES, k=SIZE // 70))
    half = (SIZE - 10_000) // 2
    for number in range(EVENTS):
        template = templates[number % len(templates)]
        yield encode(
            ExecutionEvent(
                template_id=template.id,
                template_name=template.name,
                template_version=template.version,
                input_variables={"number": number},
                rendered_prompt=text[:half],
                model_response=text[half : 2 * half],
                status="success",
            )
        )
