"""CPU time that processes have used, in seconds: what stays true on a machine that does other work too."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psutil


def of_process(pid: int) -> float:
    """User and system time of all threads of one process; the kernel counts it in steps of 10 ms."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def of_family(pid: int) -> float:
    """A server that forks: itself, its children that ended (it has waited for each), and those that run."""
    while True:
        parent = psutil.Process(pid)
        ended_before = parent.cpu_times()
        try:
            running = sum(of_process(child.pid) for child in parent.children(recursive=True))
        except psutil.NoSuchProcess:
            continue
        ended = parent.cpu_times()
        # A child that ended while we added up would be counted twice or not at all.
        if (ended.children_user, ended.children_system) == (
            ended_before.children_user,
            ended_before.children_system,
        ):
            return running + ended.user + ended.system + ended.children_user + ended.children_system


def of_machine() -> float:
    """All cores together, everything but idling."""
    times = psutil.cpu_times()
    # Within user and nice already.
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - guests)


def cores() -> int:
    """Those that we may run on."""
    process = psutil.Process()
    return len(process.cpu_affinity()) if hasattr(process, "cpu_affinity") else psutil.cpu_count() or 1


@dataclass(frozen=True)
class Reading:
    """Clock and CPU seconds at one moment; the difference of two is what lay between."""

    clock: float
    machine: float
    broker: float
    postgres: float

    def __sub__(self, earlier: Reading) -> Reading:
        return Reading(
            self.clock - earlier.clock,
            self.machine - earlier.machine,
            self.broker - earlier.broker,
            self.postgres - earlier.postgres,
        )

    @classmethod
    def now(cls, broker_pid: int, postgres_pid: int) -> Reading:
        return cls(time.perf_counter(), of_machine(), of_process(broker_pid), of_family(postgres_pid))
