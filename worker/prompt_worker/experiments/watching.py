"""What an evaluator says of itself: metrics of its looks, and an alert when a verdict turns bad."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from functools import partial
from typing import get_args

from prompt_worker.experiments.judging.verdict import UNTRUSTED, Name
from prompt_worker.experiments.looking import Looked
from prompt_worker.platform import telemetry

log = logging.getLogger(__name__)

ALARMING = ("harmful", *UNTRUSTED)


class Watch:
    """Of one evaluator. Times are by its own clock alone: that of the database may be another."""

    def __init__(self) -> None:
        # By experiment that runs: when it was looked at, or seen for the first time; and its verdict.
        self._looked: dict[str, float] = {}
        self._verdicts: dict[str, str] = {}

    def export(self) -> None:
        """Once in a process: gauges are read whenever they are exported."""
        telemetry.watch("oldest_look", self.oldest_look)
        for verdict in get_args(Name):
            telemetry.watch("experiments", partial(self.number, verdict), verdict=verdict)

    def oldest_look(self) -> float:
        """Seconds since the experiment that waits the longest was looked at; 0.0 where none runs."""
        moments = list(self._looked.values())
        return time.monotonic() - min(moments) if moments else 0.0

    def number(self, verdict: str) -> int:
        """Of experiments that run, how many have this verdict."""
        return list(self._verdicts.values()).count(verdict)

    def running(self, names: Iterable[str]) -> None:
        """Forgets those that have ended; others are seen for the first time now."""
        now = time.monotonic()
        self._looked = {name: self._looked.get(name, now) for name in names}
        self._verdicts = {name: each for name, each in self._verdicts.items() if name in self._looked}

    def looked(self, looked: Looked, seconds: float) -> None:
        """A look took so long; without one another evaluator looks at it, which is as good."""
        name = looked.experiment.name
        self._looked[name] = time.monotonic()
        if looked.look is None:
            if looked.experiment.verdict:
                self._verdicts[name] = looked.experiment.verdict
            return
        verdict = looked.look.verdict
        self._verdicts[name] = verdict.name
        telemetry.count("looks", verdict=verdict.name)
        telemetry.record("look", seconds)
        if not looked.is_turned:
            return
        is_alarming = verdict.name in ALARMING
        if is_alarming:
            telemetry.count("experiment_alerts", verdict=verdict.name)
        fields = {
            "event": "experiment_alert" if is_alarming else "verdict",
            "experiment": name,
            "template_name": looked.experiment.template_name,
            "verdict": verdict.name,
            "arm": verdict.arm,
        }
        level = logging.ERROR if is_alarming else logging.INFO
        why = verdict.why if looked.advice is None else f"{verdict.why}; {looked.advice}"
        log.log(level, "experiment %s: %s: %s", name, verdict.name, why, extra={"fields": fields})

    def rolled_back(self, looked: Looked) -> None:
        """A rollout that did harm was ended."""
        telemetry.count("rollbacks")
        fields = {
            "event": "rolled_back",
            "experiment": looked.experiment.name,
            "template_name": looked.experiment.template_name,
            "phase": looked.experiment.phases[-1].phase,
            "canary": looked.canary,
        }
        why = "" if looked.look is None else looked.look.verdict.why
        log.error("the rollout %s was rolled back: %s", looked.experiment.name, why, extra={"fields": fields})

    def refused(self, name: str, error: str, why: str) -> None:
        """A look that failed, which the next one makes up for."""
        telemetry.count("look_errors", error=error)
        log.warning("%s was not looked at: %s; the next attempt is in a minute", name, why)
