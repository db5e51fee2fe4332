"""A prompt service beside its registry: how long it starts, how soon it serves a change, and who notices."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from uuid import uuid4

import msgspec
from google.cloud.pubsub_v1 import PublisherClient

from prompt_worker import PromptTemplateService, Publisher
from prompt_worker.platform.pubsub.topology import Names
from prompt_worker.prompts.assignment import Assignment, Range
from prompt_worker.prompts.registry.sources.database import DatabaseSource
from tests.benchmarks.prompt_loads import COLD, FOLDER, PROMPTS, SCRIPT, VARIABLES, Loads
from tests.benchmarks.services import Database, VoidError
from tests.benchmarks.table import Row
from tests.support.documents import REPOSITORY
from tests.support.registry import document, experiment, version

# Seconds: what a service says that it waits, and what it may take beyond.
WAIT, BEYOND = 0.2, 0.050
STARTS = 10
RUNS, WARM_UP, PAUSE = 2_000, 200, 0.001
RUN_GOAL = 120.0
ROUNDS, CALLS, GET_GOAL = 50, 500, 3.0
ASSIGNMENT_GOAL = 2.0
CHANGES = 5
NOTIFIED_GOAL, POLLED_GOAL = 1.0, 6.0
COLD_GOAL, READERS_GOAL, LATE_GOAL, SWAP_GOAL, MEMORY_GOAL = 3.0, 1.0, 15.0, 50.0, 25.0
TURNS = 3


def measure(database: Database) -> Iterator[Row]:
    yield hanging()
    yield getting()
    yield assigning()
    yield running()
    yield following(database)
    yield cold()


def hanging() -> Row:
    """Before a listener that accepts and never answers."""
    beyond = []
    with closing(socket.create_server(("127.0.0.1", 0), backlog=50)) as listener:
        url = f"postgresql://user@127.0.0.1:{listener.getsockname()[1]}/prompts"
        for _ in range(STARTS):
            prompts = PromptTemplateService(FOLDER, registry=url, last_good="none")
            started = time.perf_counter()
            prompts.start(wait=WAIT)
            prompts.get(SCRIPT)
            beyond.append((time.perf_counter() - started - WAIT) * 1e3)
            prompts.close()
    return Row(
        f"start(wait={WAIT}) and the first get() before a registry that never answers, beyond the wait",
        f"median {median(beyond):.1f} ms, most {max(beyond):.1f} ms",
        f"≤ {BEYOND * 1e3:.0f} ms",
        max(beyond) <= BEYOND * 1e3,
        {"median_ms": median(beyond), "most_ms": max(beyond)},
    )


def getting() -> Row:
    """Of a live registry; each choice is timed in rounds, as one call is shorter than the clock can tell."""
    about = {"labels": {"canary": 1}, "rules": [{"when": {"grade": {"from": 5, "to": 8}}, "version": 1}]}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "registry.json")
        versions = [version(f"prompt/{at}", 1 + (at == 1), f"text {at}") for at in range(PROMPTS)]
        versions.append(version("prompt/1", 1, "x", active=False))
        ids = [str(uuid4()) for _ in range(2)]
        versions += [
            version("tested", at, "x", active=at == 1, template_id=id_) for at, id_ in enumerate(ids, 1)
        ]
        ranges = [[0, 5000, "control"], [5000, 10_000, "variant_a"]]
        tested = experiment("tested", {"control": ids[0], "variant_a": ids[1]}, ranges)
        path.write_bytes(document(*versions, names={"prompt/1": about}, experiments=[tested]))
        prompts = PromptTemplateService(registry=f"file://{path}", last_good="none")
        if not prompts.start(wait=120):
            raise VoidError("the registry was not read")
        choices: dict[str, Callable[[], object]] = {
            "alone": lambda: prompts.get("prompt/1"),
            "by a rule": lambda: prompts.get("prompt/1", context={"grade": 6}),
            "by a label": lambda: prompts.get("prompt/1", label="canary"),
            "by a ref": lambda: prompts.get("prompt/1", ref="prompt/1@1"),
            "by an experiment": lambda: prompts.get("tested", unit="student-17"),
        }
        found = {name: median(_round(choice) for _ in range(ROUNDS)) for name, choice in choices.items()}
        prompts.close()
    return Row(
        f"get() of a live registry of {PROMPTS} prompts",
        ", ".join(f"{name} {microseconds:.2f} µs" for name, microseconds in found.items()),
        f"≤ {GET_GOAL:.0f} µs",
        max(found.values()) <= GET_GOAL,
        {f"get_{name.replace(' ', '_')}_us": each for name, each in found.items()},
    )


def assigning() -> Row:
    """Without the prompt: a unit whose id is as services have them, and one whose id is hashed first."""
    ranges = [Range(0, 5000, "control"), Range(5000, 10_000, "variant_a")]
    assigned = Assignment(str(uuid4()), ranges)
    short, long = (
        median(_round(partial(assigned.arm_of, unit)) for _ in range(ROUNDS))
        for unit in (str(uuid4()), "u" * 300)
    )
    return Row(
        "a unit is assigned to an arm",
        f"an id of 36 characters {short:.2f} µs, of 300 {long:.2f} µs",
        f"≤ {ASSIGNMENT_GOAL:.0f} µs",
        max(short, long) <= ASSIGNMENT_GOAL,
        {"assignment_us": short, "assignment_long_us": long},
    )


def _round(choice: Callable[[], object]) -> float:
    """Microseconds a call."""
    started = time.perf_counter_ns()
    for _ in range(CALLS):
        choice()
    return (time.perf_counter_ns() - started) / 1e3 / CALLS


def running() -> Row:
    """To a topic without subscriptions."""
    project = f"bench-prompts-{time.time_ns()}"
    client = PublisherClient()
    client.create_topic(name=client.topic_path(project, Names().topic))
    publisher = Publisher(project, source="bench")
    prompts = PromptTemplateService.offline(FOLDER, publisher=publisher)
    timings = []
    for _ in range(RUNS + WARM_UP):
        time.sleep(PAUSE)
        started = time.perf_counter_ns()
        with prompts.run(SCRIPT, VARIABLES, user_id="student-17"):
            pass
        timings.append((time.perf_counter_ns() - started) / 1e3)
    if publisher.close().given_up:
        raise VoidError("the publisher gave events up")
    client.stop()
    middle, slowest = median(timings[WARM_UP:]), quantiles(timings[WARM_UP:], n=100)[98]
    return Row(
        "run() of the longest seed with a page of text: get, render and publish, on the caller's thread",
        f"p50 {middle:.0f} µs, p99 {slowest:.0f} µs",
        f"p50 ≤ {RUN_GOAL:.0f} µs",
        middle <= RUN_GOAL,
        {"run_us": middle, "run_p99_us": slowest},
    )


def following(database: Database) -> Row:
    """Of a real database: by its notifications, and by the question every four seconds alone."""
    found = {
        "notified": _seconds(database, "bench/notified", listen=True),
        "polled": _seconds(database, "bench/polled", listen=False),
    }
    notified, polled = max(found["notified"]), max(found["polled"])
    return Row(
        f"an activation is served: {CHANGES} changes each",
        f"directly connected {median(found['notified']) * 1e3:.0f} ms, most {notified * 1e3:.0f} ms; "
        f"by polling alone {median(found['polled']):.1f} s, most {polled:.1f} s",
        f"≤ {NOTIFIED_GOAL:.0f} s; ≤ {POLLED_GOAL:.0f} s",
        notified <= NOTIFIED_GOAL and polled <= POLLED_GOAL,
        {"notified_seconds": notified, "polled_seconds": polled},
    )


def _seconds(database: Database, name: str, *, listen: bool) -> list[float]:
    insert = (
        "INSERT INTO prompt_templates (name, template_text, version, is_active) VALUES (%s, %s, %s, true)"
    )
    database.execute(insert, (name, "text", 1))
    prompts = PromptTemplateService(
        registry=DatabaseSource(database.url, "registry=", listen=listen), last_good="none"
    )
    if not prompts.start(wait=30):
        raise VoidError("the registry was not read")
    found = []
    for at in range(2, CHANGES + 2):
        # At any moment between two questions.
        time.sleep(at * 0.7)
        database.execute(insert, (name, "text", at))
        started = time.perf_counter()
        while prompts.get(name).version != at:
            time.sleep(0.001)
        found.append(time.perf_counter() - started)
    prompts.close()
    return found


def cold() -> Row:
    """Each in a process of its own, where an event loop ticks and a thread renders meanwhile."""
    loads = [_load() for _ in range(TURNS)]
    seconds, late, readers, swap, memory = (
        median(getattr(load, name) for load in loads) for name in Loads.__struct_fields__
    )
    return Row(
        f"a registry of {PROMPTS} prompts, each as long as the longest seed, read and compiled beside a service",
        f"served after {seconds:.2f} s; meanwhile an event loop is late by p99 {late:.1f} ms and a reader takes "
        f"p99 {readers * 1e3:.0f} µs; one changed: {swap:.0f} ms; {memory:.1f} MB",
        f"≤ {COLD_GOAL:.0f} s; ≤ {LATE_GOAL:.0f} ms, ≤ {READERS_GOAL:.0f} ms; ≤ {SWAP_GOAL:.0f} ms; "
        f"≤ {MEMORY_GOAL:.0f} MB",
        seconds <= COLD_GOAL
        and late <= LATE_GOAL
        and readers <= READERS_GOAL
        and swap <= SWAP_GOAL
        and memory <= MEMORY_GOAL,
        {
            "cold_seconds": seconds,
            "late_ms": late,
            "reader_ms": readers,
            "swap_ms": swap,
            "megabytes": memory,
        },
    )


def _load() -> Loads:
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run(
            [sys.executable, "-m", COLD, str(Path(folder, "registry.json"))],
            capture_output=True,
            cwd=REPOSITORY,
            check=False,
        )
    if ran.returncode:
        raise VoidError(f"a load failed: {ran.stderr.decode()[-500:]}")
    return msgspec.json.decode(ran.stdout, type=Loads)
