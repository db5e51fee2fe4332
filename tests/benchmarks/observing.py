"""What telemetry costs: the same drain without it and with all of it, in turns.

All of it: every message carries its trace, of which one in 100 is sampled; spans go to a collector; Prometheus scrapes
each second, fifteen times as often as it does by default.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from statistics import median
from urllib.request import urlopen

from tests.benchmarks.broker import Backlog
from tests.benchmarks.draining import Drain, watch
from tests.benchmarks.events import bodies
from tests.benchmarks.services import Database, Services
from tests.benchmarks.stage import Report
from tests.benchmarks.table import Row
from tests.benchmarks.worker_process import worker

ONE_IN = 100
# A turn: two drains differ by more than telemetry costs.
PAIRS = 3
SCRAPE_SECONDS = 1.0
GOAL = 0.95


def measure(services: Services, database: Database, events: int, turns: int, report: Report) -> Row:
    report(f"making and publishing {events:,} traced events")
    backlog = Backlog(services.emulator.host)
    backlog.publish(bodies(events, database.templates()), traces())
    plain: list[Drain] = []
    observed: list[Drain] = []
    # Java compiles while it runs, PostgreSQL makes its files.
    _drain(services, database, backlog, {})
    for number in range(1, turns * PAIRS + 1):
        report(f"pair {number} of {turns * PAIRS}: without telemetry, with it")
        plain.append(_drain(services, database, backlog, {}))
        with collected() as settings:
            observed.append(_drain(services, database, backlog, settings))
    backlog.delete()
    ratio = median(on.rate / off.rate for off, on in zip(plain, observed, strict=True))
    without, with_it = (median(one.micros(one.consumer) for one in drains) for drains in (plain, observed))
    return Row(
        "the drain with telemetry (Prometheus, 1 % of the traces), against the same without",
        f"{ratio:.2f} ({median(one.rate for one in observed):,.0f} events/s; CPU of the worker "
        f"{with_it:.1f} against {without:.1f} µs an event)",
        "≥ 0.95",
        ratio >= GOAL,
        {"ratio": ratio, "worker_us": with_it, "plain_us": without},
    )


def traces() -> Iterator[dict[str, str]]:
    """The attribute of one message after the other."""
    for number in count(1):
        yield {"traceparent": f"00-{number:032x}-{number:016x}-{number % ONE_IN == 0:02d}"}


def _drain(services: Services, database: Database, backlog: Backlog, settings: dict[str, str]) -> Drain:
    database.empty()
    child = worker(database.url, backlog.topology.project, **settings)
    drained = watch(services, database, backlog, [child])
    child.forget()
    return drained


@contextmanager
def collected() -> Iterator[dict[str, str]]:
    """The settings of a worker whose spans are collected and whose metrics are scraped. Raises when nothing came."""
    came = {"spans": 0, "scrapes": 0}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came["spans"] += len(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ended = threading.Event()

    def scrape() -> None:
        while not ended.wait(SCRAPE_SECONDS):
            with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                came["scrapes"] += b"prompt_worker_events_total" in answer.read()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as collector:
        threads = [threading.Thread(target=run, daemon=True) for run in (collector.serve_forever, scrape)]
        for thread in threads:
            thread.start()
        yield {
            "PROMPT_WORKER_METRICS_PORT": str(port),
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}",
            "OTEL_METRICS_EXPORTER": "none",
        }
        ended.set()
        collector.shutdown()
    if not all(came.values()):
        raise RuntimeError(f"telemetry was not on: {came}")
