"""Raw COPY, the broker alone and the worker, in turns: no side has the warmer machine. Medians of the turns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from tests.benchmarks import cpu
from tests.benchmarks.bounds import Cost, as_text, broker_alone, raw_copy
from tests.benchmarks.draining import Drain, drain
from tests.benchmarks.stage import Stage


@dataclass(frozen=True)
class Turn:
    text_copy: Cost
    copy: Cost
    broker: Cost
    worker: Drain

    @property
    def of_the_broker(self) -> float:
        """1 for a worker as fast as a consumer that does nothing: none is faster."""
        return self.worker.rate / self.broker.rate

    @property
    def busy(self) -> float:
        """The part of the machine's CPU that broker, database and worker used."""
        return self.worker.all_cpu / self.worker.seconds / cpu.cores()

    @property
    def statistics(self) -> float:
        """µs of PostgreSQL's CPU an event above those of binary COPY."""
        return self.worker.micros(self.worker.postgres) - self.copy.micros


class Turns:
    """Of one stage, at least one."""

    def __init__(self, taken: list[Turn]) -> None:
        self._taken = taken

    @property
    def last(self) -> Turn:
        return self._taken[-1]

    def middle(self, value: Callable[[Turn], float]) -> float:
        return median(value(turn) for turn in self._taken)

    @property
    def rate(self) -> float:
        return self.middle(lambda turn: turn.worker.rate)

    @property
    def broker_rate(self) -> float:
        return self.middle(lambda turn: turn.broker.rate)

    def micros(self, part: Callable[[Drain], float]) -> float:
        """CPU of one part of the drain for each event."""
        return self.middle(lambda turn: turn.worker.micros(part(turn.worker)))


def take(stage: Stage, number: int) -> Turns:
    """The first of each is thrown away: Java compiles while it runs, PostgreSQL makes its files."""
    stage.report("warming up")
    stage.database.empty()
    broker_alone(stage)
    raw_copy(stage)
    text = as_text(stage)
    taken = []
    for turn in range(1, number + 1):
        stage.report(f"turn {turn} of {number}: raw COPY")
        stage.database.empty()
        text_copy = raw_copy(stage, text)
        stage.database.empty()
        copy = raw_copy(stage)
        stage.report(f"turn {turn} of {number}: the broker alone")
        broker = broker_alone(stage)
        stage.report(f"turn {turn} of {number}: the worker")
        stage.database.empty()
        taken.append(Turn(text_copy, copy, broker, drain(stage.services, stage.database, stage.backlog)))
    return Turns(taken)
