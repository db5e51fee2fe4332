"""`prompt-worker serve` under push requests from another process: how many it settles on one core, and how soon."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median, quantiles
from typing import NamedTuple

import msgspec
import psutil

from prompt_worker.local.servers.server import free_port
from tests.benchmarks.pusher import Answered, Load
from tests.benchmarks.services import Database, VoidError
from tests.benchmarks.stage import Report
from tests.benchmarks.table import Row
from tests.benchmarks.worker_process import ChildProcess
from tests.support.probing import probe
from tests.support.pushing import Signer

CONNECTIONS = 80
PACE = 500  # events a second
PACED_SECONDS = 10
WARM_UP = 2_000
READY_SECONDS = 30.0
TOKENS_OF_A_SUBSCRIPTION = {"jti": "one for all, as Pub/Sub does for up to an hour"}


class Pushed(NamedTuple):
    answered: Answered
    cpu: float  # seconds of the service
    events: int


class Service:
    """On one core, with real tokens."""

    def __init__(self, database: Database, signer: Signer) -> None:
        self._database = database
        self._bearer = signer.bearer(**TOKENS_OF_A_SUBSCRIPTION)["Authorization"]
        self._port = free_port()
        environment = {"DATABASE_URL": database.url, "PORT": str(self._port)} | signer.settings
        environment |= {"PUBSUB_PROJECT_ID": "bench-push"}
        self.child = ChildProcess(["prompt_worker", "serve", "executions"], environment)

    def wait(self, system: psutil.Process) -> None:
        """Until it is ready; from then on it has one core."""
        deadline = time.monotonic() + READY_SECONDS
        while probe(self._port, "/readyz")[0] != 200:
            self.child.check()
            if time.monotonic() > deadline:
                raise TimeoutError("the service is not ready")
            time.sleep(0.05)
        system.cpu_affinity([sorted(psutil.Process().cpu_affinity())[0]])

    def push(self, events: int, rate: float | None = None) -> Pushed:
        load = Load(self._port, self._database.url, self._bearer, events, CONNECTIONS, rate)
        before = self.child.cpu()
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.pusher"],
            input=msgspec.json.encode(load),
            stdout=subprocess.PIPE,
            check=True,
        )
        answered = msgspec.json.decode(done.stdout, type=Answered)
        if answered.refused:
            raise VoidError(f"{answered.refused} of {events} requests were refused")
        return Pushed(answered, self.child.cpu() - before, events)


def measure(database: Database, events: int, report: Report) -> Iterator[Row]:
    database.empty()
    with Signer() as signer:
        service = Service(database, signer)
        with service.child as child:
            service.wait(child.system)
            service.push(WARM_UP)
            report(f"pushing {events:,} events on {CONNECTIONS} connections")
            fast = service.push(events)
            report(f"pushing {PACE} events/s for {PACED_SECONDS} s")
            paced = service.push(PACE * PACED_SECONDS, PACE)
        child.forget()
    database.check(WARM_UP + events + PACE * PACED_SECONDS)
    yield _rate_row(fast)
    yield _latency_row(paced)


def _rate_row(fast: Pushed) -> Row:
    rate = fast.events / fast.answered.seconds
    cpu = fast.cpu / fast.events * 1e6
    middle, late = _middle_and_late(fast)
    return Row(
        f"push: events settled on one core, {CONNECTIONS} requests at a time",
        f"{rate:,.0f} events/s, {cpu:.0f} µs of the service's CPU each; p50 {middle:.0f} ms, p99 {late:.0f} ms",
        "≥ 2,000",
        rate >= 2000,
        {"events_per_second": rate, "cpu_us": cpu, "p50_ms": middle, "p99_ms": late},
    )


def _latency_row(paced: Pushed) -> Row:
    middle, late = _middle_and_late(paced)
    return Row(
        f"push: request → answer at {PACE} events/s, p99",
        f"{late:.0f} ms (p50 {middle:.0f} ms)",
        "< 250 ms",
        late < 250,
        {"p50_ms": middle, "p99_ms": late},
    )


def _middle_and_late(pushed: Pushed) -> tuple[float, float]:
    return median(pushed.answered.latencies), quantiles(pushed.answered.latencies, n=100)[98]
