"""`/healthz` and `/readyz`: what an orchestrator asks a worker."""

from __future__ import annotations

import logging
from collections.abc import Callable

from prompt_worker.platform.process import health
from prompt_worker.platform.process.pages import Page, Pages
from prompt_worker.platform.settings import ProbeSettings

log = logging.getLogger(__name__)


def probes(settings: ProbeSettings, problem: Callable[[], str | None]) -> Pages:
    """200 or 503, and why; `problem` says why this process cannot do its work, None when it can.

    `/healthz` asks no service, so it answers at once even when the database is down.
    """

    def alive() -> Page:
        silent = health.silence()
        if silent <= settings.stuck_seconds:
            return Page(200, b"alive\n")
        log.error("a batch has made no progress for %.0f s: restart this instance", silent)
        return Page(503, f"a batch has made no progress for {silent:.0f} s\n".encode())

    def ready() -> Page:
        found = problem()
        return Page(200, b"ready\n") if found is None else Page(503, f"{found}\n".encode())

    return {"/healthz": alive, "/readyz": ready}
