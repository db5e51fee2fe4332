"""The worker that looks at running experiments each minute; any number of them may run."""

from __future__ import annotations

import logging
import threading
import time

from prompt_worker.experiments.errors import ExperimentError
from prompt_worker.experiments.judging.verdict import UNTRUSTED
from prompt_worker.experiments.looking import running_experiments
from prompt_worker.experiments.rollouts.guarding import announce, look_and_guard
from prompt_worker.platform.failures import DeploymentError
from prompt_worker.platform.postgres.engine import connect
from prompt_worker.platform.postgres.readiness import Readiness
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.process import health
from prompt_worker.platform.process.pages import Listener, serving
from prompt_worker.platform.process.probes import probes
from prompt_worker.platform.process.signals import run_until_signal
from prompt_worker.platform.settings import DatabaseSettings, Environment, ProbeSettings
from prompt_worker.platform.telemetry.export import TelemetrySettings, exporting, metrics_listener

log = logging.getLogger(__name__)

NAME = "experiments"
SECONDS = 60.0
_ALARMING = ("harmful", *UNTRUSTED)


def run() -> None:
    """Looks until a signal comes. Raises `SettingsError`, `DeploymentError`."""
    environment = Environment()
    database = environment.read(DatabaseSettings)
    probing = environment.read(ProbeSettings)
    telemetry = environment.read(TelemetrySettings)
    environment.check()
    engine = connect(database.url, application_name=f"prompt-worker {NAME}")
    stop = threading.Event()
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
            run_until_signal(lambda: look_each_minute(Session(engine), stop), stop)
    finally:
        engine.dispose()


def look_each_minute(session: Session, stop: threading.Event, seconds: float = SECONDS) -> None:
    """Until `stop` is set. Waits for a database that is down; an experiment that fails does not keep the others."""
    verdicts: dict[str, str] = {}
    while not stop.is_set():
        started = time.monotonic()
        with health.in_flight():
            _look_at_all(session, stop, verdicts)
        stop.wait(max(0.0, seconds - (time.monotonic() - started)))


def _look_at_all(session: Session, stop: threading.Event, verdicts: dict[str, str]) -> None:
    try:
        names = running_experiments(session)
    except DeploymentError as error:
        log.warning("experiments were not looked at: %s; the next attempt is in a minute", error)
        return
    for name in names:
        if stop.is_set():
            return
        health.moved()
        try:
            looked, harm = look_and_guard(session, name)
        except (DeploymentError, ExperimentError) as error:
            log.warning("%s was not looked at: %s", name, error)
            continue
        if looked.look is None:
            continue
        verdict = looked.look.verdict
        is_news = verdicts.get(name) != verdict.name
        verdicts[name] = verdict.name
        if harm is not None:
            if is_news or harm.rolled_back:
                announce(looked, harm)
        elif is_news:
            level = logging.ERROR if verdict.name in _ALARMING else logging.INFO
            fields = {"event": "verdict", "experiment": name, "verdict": verdict.name}
            log.log(level, "experiment %s: %s: %s", name, verdict.name, verdict.why, extra={"fields": fields})
