"""What this process's prompt services serve, as metrics.

OpenTelemetry is loaded by the thread that follows a registry, where it is installed at all: a service that only renders
what is in its image needs none.
"""

from __future__ import annotations

import threading
import weakref
from functools import cache, partial
from typing import Protocol


class Serving(Protocol):
    """A prompt service."""

    def registry_age(self) -> float | None: ...

    def unusable(self) -> int: ...


# Prompts that were handed out, by where they came from; of all services that ever were, as a counter never falls.
SERVED = {"live": 0, "disk": 0, "builtin": 0}
# Prompts that were handed out where an experiment or a rollout runs, by what became of the unit.
ENROLLED = {"arm": 0, "outside": 0, "no_unit": 0}
_services: weakref.WeakSet[Serving] = weakref.WeakSet()
_registering = threading.Lock()


def follow(service: Serving) -> None:
    """Until it is collected."""
    _services.add(service)


def watch() -> None:
    """One reading for all services together; later calls have no effect."""
    with _registering:
        _register()


@cache
def _register() -> None:
    try:
        from prompt_worker.platform import telemetry
    except ModuleNotFoundError:
        return
    for source in SERVED:
        telemetry.watch("prompts_served", partial(SERVED.__getitem__, source), source=source)
    for outcome in ENROLLED:
        telemetry.watch("enrolments", partial(ENROLLED.__getitem__, outcome), outcome=outcome)
    telemetry.watch("prompt_registry_age", registry_age)
    telemetry.watch("prompts_quarantined", quarantined)


def registry_age() -> float:
    """Seconds; of several registries the oldest, and of one that was never read since it was to be."""
    return max(
        (age for service in tuple(_services) if (age := service.registry_age()) is not None), default=0.0
    )


def quarantined() -> int:
    return sum(service.unusable() for service in tuple(_services))
