"""The worker that looks at running experiments each minute; any number of them may run."""

from __future__ import annotations

import logging
import threading
import time

import psycopg2

from prompt_worker.experiments.errors import ExperimentError
from prompt_worker.experiments.looking import look_in, running_in
from prompt_worker.experiments.rollouts.guarding import may_roll_back, roll_back_in
from prompt_worker.experiments.watching import Watch
from prompt_worker.platform.failures import DeploymentError
from prompt_worker.platform.postgres.engine import connect
from prompt_worker.platform.postgres.errors import describe
from prompt_worker.platform.postgres.readiness import Readiness
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.platform.postgres.transactions import Transactions
from prompt_worker.platform.process import health
from prompt_worker.platform.process.pages import Listener, serving
from prompt_worker.platform.process.probes import probes
from prompt_worker.platform.process.signals import FLAG_SECONDS, run_until_signal
from prompt_worker.platform.settings import DatabaseSettings, Environment, ProbeSettings
from prompt_worker.platform.telemetry.export import TelemetrySettings, exporting, metrics_listener

log = logging.getLogger(__name__)

NAME = "experiments"
SECONDS = 60.0
_RIGHTS = statement(__name__, "rights")


def run() -> None:
    """Looks until a signal comes. Raises `SettingsError`, `DeploymentError`."""
    environment = Environment()
    database = environment.read(DatabaseSettings)
    probing = environment.read(ProbeSettings)
    telemetry = environment.read(TelemetrySettings)
    environment.check()
    engine = connect(database.url, application_name=f"prompt-worker {NAME}")
    stop = threading.Event()
    watch = Watch()
    try:
        with (
            exporting(telemetry, NAME) as metrics,
            serving(
                metrics_listener(telemetry, metrics),
                Listener(
                    "PROMPT_WORKER_PROBE_PORT",
                    probing.port,
                    probes(probing, Readiness(database.url).problem),
                    DeploymentError,
                ),
            ),
        ):
            watch.export()
            log.info("experiments that run are looked at each minute", extra={"fields": {"event": "started"}})
            run_until_signal(lambda: look_each_minute(Session(engine), stop, watch=watch), stop)
    finally:
        engine.dispose()


def look_each_minute(
    session: Session, stop: threading.Event, seconds: float = SECONDS, *, watch: Watch | None = None
) -> None:
    """Until `stop` is set, which ends a look that is under way. An experiment that fails does not keep the others.

    Waits for a database that is down. Raises `DeploymentError` for one that lacks a right or a migration.
    """
    transactions = Transactions(session.engine, stop)
    done = threading.Event()
    canceller = threading.Thread(target=_cancel, args=(transactions, stop, done), name="canceller")
    canceller.start()
    try:
        _look_until(transactions, stop, seconds, watch or Watch())
    except psycopg2.Error:
        # Retrying ended, as somebody stopped it; nothing is left behind.
        if not stop.is_set():
            raise
    finally:
        done.set()
        canceller.join()


def _cancel(transactions: Transactions, stop: threading.Event, done: threading.Event) -> None:
    while not done.wait(FLAG_SECONDS):
        if stop.is_set():
            transactions.cancel()
            return


def _look_until(transactions: Transactions, stop: threading.Event, seconds: float, watch: Watch) -> None:
    transactions.run(lambda cursor: cursor.execute(_RIGHTS))
    while not stop.is_set():
        started = time.monotonic()
        with health.in_flight():
            names = transactions.run(running_in)
            watch.running(names)
            for name in names:
                if stop.is_set():
                    return
                _look(transactions, name, watch)
        stop.wait(max(0.0, seconds - (time.monotonic() - started)))


def _look(transactions: Transactions, name: str, watch: Watch) -> None:
    started = time.monotonic()
    try:
        looked = transactions.once(lambda cursor: look_in(cursor, name))
        watch.looked(looked, time.monotonic() - started)
        # A transaction of its own: the alarm is on record also where the rollback fails.
        if may_roll_back(looked) and transactions.once(lambda cursor: roll_back_in(cursor, looked)):
            watch.rolled_back(looked)
    except psycopg2.Error as error:
        watch.refused(name, error.pgcode or "connection", describe(error))
    except (DeploymentError, ExperimentError) as error:
        watch.refused(name, type(error).__name__, str(error))
