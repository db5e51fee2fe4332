"""`prompt-worker up`: the whole system on this machine, started in order, shown, and stopped in the reverse order."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from rich.console import Console
from sqlalchemy import Engine

from prompt_schema.migrate import migrate
from prompt_schema.statistics import recount
from prompt_worker.local import ServerError
from prompt_worker.local.console_process import ConsoleProcess
from prompt_worker.local.demo.events import Plan
from prompt_worker.local.demo.experiments import Begun, begin, conclude
from prompt_worker.local.demo.run import DemoRun, Ledger
from prompt_worker.local.demo.services import Services
from prompt_worker.local.report import (
    print_dead_letters,
    print_experiments,
    print_ledger,
    print_spread,
    print_statistics,
    print_violations,
)
from prompt_worker.local.servers.emulator import Emulator, find_jar, find_java
from prompt_worker.local.servers.postgres import Postgres
from prompt_worker.local.view import View
from prompt_worker.local.worker_process import WorkerProcess
from prompt_worker.platform.postgres.engine import connect
from prompt_worker.platform.process.signals import stopped_by_signal
from prompt_worker.platform.process.wakeup import Wakeup
from prompt_worker.platform.pubsub.reconciling import reconcile
from prompt_worker.platform.pubsub.topology import Topology, read_topology
from prompt_worker.platform.settings import Environment

PROJECT = "prompt-worker-local"
CHECK_SECONDS = 0.1
# Without any progress for so long, the demonstration has failed.
PATIENCE_SECONDS = 60.0


class Stopped(Exception):  # noqa: N818 - not an error
    """A signal came while something was starting."""


def up(console: Console, *, demo: int, once: bool, data_dir: str | None) -> int:
    """Runs until Ctrl-C or SIGTERM, with `once` until `demo` events are counted; 1 when they do not add up.

    Raises `ServerError` when something needed is missing: its message says how to get it.
    """
    if demo < 0:
        raise ServerError("--demo must be a number of events, 0 or more")
    # Before anything starts: what is missing is an error that says how to install it.
    find_java()
    find_jar()
    with stopped_by_signal() as stop, ExitStack() as services:
        try:
            kept = Path(data_dir) if data_dir else None
            return _up(services, stop, console, demo=demo, once=once, data_dir=kept)
        except Stopped:
            return 0


def _up(
    services: ExitStack,
    stop: Wakeup,
    console: Console,
    *,
    demo: int,
    once: bool,
    data_dir: Path | None,
) -> int:
    engine = _start_database(services, console, data_dir)
    _raise_if_stopped(stop)
    topology, subscriber = _start_pubsub(services, console)
    _raise_if_stopped(stop)
    begun = begin(engine) if demo else []
    run = _prepare(services, demo, topology, subscriber) if demo else None
    # A key for this run, unless there is one.
    os.environ.setdefault("PROMPT_WORKER_HMAC_KEY", secrets.token_hex(32))
    workers = [
        services.enter_context(WorkerProcess(consumer, console.print))
        for consumer in ("executions", "guardrails", "dead-letters", "feedback", "experiments")
    ]
    services.callback(console.print, "stopping workers, Pub/Sub and PostgreSQL")
    for worker in workers:
        console.print(f"{worker.consumer} worker, process {worker.pid}")
    for each in begun:
        console.print(f"experiment {each.name!r} on {each.planted.template_name}")
    web = None if once else services.enter_context(ConsoleProcess())
    for name in ("DATABASE_URL", "PUBSUB_EMULATOR_HOST", "PUBSUB_PROJECT_ID"):
        console.print(f"  export {name}={os.environ[name]}")
    if web:
        console.print(f"the console is at {web.address}")

    exit_code = 0
    view = View(console, run, *workers[:3])
    if run:
        services.callback(run.stop)
        ledger = _follow(run, workers, engine, view, stop)
        if ledger:
            exit_code = _conclude(ledger, run, begun, engine, console)
        elif lag := view.counts()["lag"]:
            console.print(
                f"stopped early: {lag:,} published events were not written and are lost with the emulator"
            )
    if web and not stop.is_set():
        console.print(f"\nrunning; open {web.address} in a browser; Ctrl-C stops everything")
        with view.live():
            while not stop.wait(CHECK_SECONDS):
                _raise_if_ended(workers)
                view.show()
    return exit_code


def _start_database(services: ExitStack, console: Console, data_dir: Path | None) -> Engine:
    server = services.enter_context(Postgres(data_dir))
    os.environ["DATABASE_URL"] = server.url
    engine = connect(server.url, application_name="prompt-worker up", statement_timeout_ms=0)
    services.callback(engine.dispose)
    applied = migrate(engine, lambda _: None)
    where = f"in {data_dir}" if data_dir else "temporary (--data DIR keeps one)"
    console.print(f"PostgreSQL {server.version}, {where}; {len(applied)} migrations applied")
    return engine


def _start_pubsub(services: ExitStack, console: Console) -> tuple[Topology, SubscriberClient]:
    emulator = services.enter_context(Emulator())
    os.environ["PUBSUB_EMULATOR_HOST"] = emulator.host
    os.environ["PUBSUB_PROJECT_ID"] = PROJECT
    # Events of another project may wait there.
    os.environ.pop("PROMPT_WORKER_SPOOL", None)
    environment = Environment()
    topology = read_topology(environment)
    environment.check()
    subscriber = services.enter_context(SubscriberClient())
    with PublisherClient() as publisher:
        made = list(reconcile(topology, publisher, subscriber))
    console.print(f"Pub/Sub emulator; {len(made)} topics and subscriptions")
    return topology, subscriber


def _prepare(services: ExitStack, demo: int, topology: Topology, subscriber: SubscriberClient) -> DemoRun:
    """The services of the demonstration have their prompts, and publish nothing yet."""
    following = Services.following(os.environ["DATABASE_URL"])
    services.callback(following.close)
    if not following.start():
        raise ServerError("the services of the demonstration could not read their prompts from the database")
    return DemoRun(Plan(demo), following, topology, subscriber)


def _follow(
    run: DemoRun, workers: Sequence[WorkerProcess], engine: Engine, view: View, stop: Wakeup
) -> Ledger | None:
    """Waits until each message is accounted for, or nothing moves any more; None when stopped before that."""
    run.start(engine)
    moved_at, seen = time.monotonic(), (-1, [-1])
    with view.live():
        while not stop.wait(CHECK_SECONDS):
            view.show()
            _raise_if_ended(workers)
            if run.failed:
                raise ServerError(f"the demonstration could not be published: {type(run.failed).__name__}")
            settled = [worker.settled for worker in workers]
            if (now := (run.published, settled)) != seen:
                moved_at, seen = time.monotonic(), now
            stuck = time.monotonic() - moved_at > PATIENCE_SECONDS
            if stuck or (run.published == run.plan.total and min(settled[:2]) >= run.published):
                ledger = run.ledger(engine, workers[0])
                if stuck or ledger.holds:
                    return ledger
    return None


def _conclude(ledger: Ledger, run: DemoRun, begun: Sequence[Begun], engine: Engine, console: Console) -> int:
    concluded = conclude(engine, begun)
    print_statistics(console, engine)
    print_spread(console, run.spread)
    print_experiments(console, concluded)
    print_violations(console, ledger)
    print_ledger(console, ledger)
    print_dead_letters(console, engine)
    differences = recount(engine)
    console.print(
        f"{len(differences)} counters differ from a recount of the rows: run 'prompt-worker verify --statistics'"
        if differences
        else "every counter equals a recount of the rows"
    )
    as_planted = all(each.is_as_planted and not each.wrong for each in concluded)
    return 0 if ledger.holds and not differences and as_planted else 1


def _raise_if_stopped(stop: Wakeup) -> None:
    if stop.is_set():
        raise Stopped


def _raise_if_ended(workers: Sequence[WorkerProcess]) -> None:
    for worker in workers:
        if failure := worker.failure:
            raise ServerError(failure)
