"""Raw COPY, the broker alone and the worker, in turns: no side has the warmer machine. Medians of the turns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from statistics import median

from prompt_worker.platform.postgres.statements import statement
from tests.benchmarks import cpu
from tests.benchmarks.drain import Drain, drain
from tests.benchmarks.services import VoidError, session
from tests.benchmarks.stage import Stage
from tests.benchmarks.table import Row

MEMORY_GOAL = 150_000_000
FLAT = 1.1
TEXT = "COPY prompt_executions {}"


@dataclass(frozen=True)
class Cost:
    """Of `events`: wall and CPU seconds of the one service that worked."""

    events: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        return self.events / self.seconds

    @property
    def micros(self) -> float:
        return self.cpu / self.events * 1e6


@dataclass(frozen=True)
class Turn:
    text_copy: Cost
    copy: Cost
    broker: Cost
    worker: Drain

    @property
    def limit(self) -> float:
        """Events/s of a worker that costs nothing: it would use the cheaper COPY, the binary one."""
        return cpu.cores() * 1e6 / (self.broker.micros + self.copy.micros)

    @property
    def text_limit(self) -> float:
        """Of a worker that costs nothing and uses PostgreSQL's usual COPY."""
        return cpu.cores() * 1e6 / (self.broker.micros + self.text_copy.micros)


def raw_copy(stage: Stage, text: bytes = b"") -> Cost:
    """One COPY of all rows into the table with its indexes and foreign key, statistics triggers off.

    In the binary format, or in the usual one where its `text` is given.
    """
    events = len(stage.messages)
    how, body = (
        (TEXT.format("FROM STDIN"), text)
        if text
        else (statement("prompt_worker.executions.writer", "write_executions"), stage.copy_body)
    )
    with session(stage.database.url) as loading, loading.cursor() as cursor:
        cursor.execute("ALTER TABLE prompt_executions DISABLE TRIGGER USER")
        start = stage.services.read()
        cursor.copy_expert(how, BytesIO(body), size=1 << 20)
        used = stage.services.read() - start
        if cursor.rowcount != events:
            raise VoidError(f"raw COPY stored {cursor.rowcount} of {events} rows")
        cursor.execute("ALTER TABLE prompt_executions ENABLE TRIGGER USER")
    return Cost(events, used.clock, used.postgres)


def as_text(stage: Stage) -> bytes:
    """The rows that the table holds, as the usual COPY takes them."""
    body = BytesIO()
    with session(stage.database.url) as reading, reading.cursor() as cursor:
        cursor.copy_expert(TEXT.format("TO STDOUT"), body, size=1 << 20)
    return body.getvalue()


def broker_alone(stage: Stage) -> Cost:
    stage.backlog.refill()
    start = stage.services.read()
    stage.backlog.pull_and_acknowledge()
    used = stage.services.read() - start
    return Cost(stage.backlog.size, used.clock, used.broker)


def take_turns(stage: Stage, turns: int) -> list[Turn]:
    """The first of each is thrown away: Java compiles while it runs, PostgreSQL makes its files."""
    stage.report("warming up")
    stage.database.empty()
    broker_alone(stage)
    raw_copy(stage)
    text = as_text(stage)
    taken = []
    for number in range(1, turns + 1):
        stage.report(f"turn {number} of {turns}: raw COPY")
        stage.database.empty()
        text_copy = raw_copy(stage, text)
        stage.database.empty()
        copy = raw_copy(stage)
        stage.report(f"turn {number} of {turns}: the broker alone")
        broker = broker_alone(stage)
        stage.report(f"turn {number} of {turns}: the worker")
        stage.database.empty()
        taken.append(Turn(text_copy, copy, broker, drain(stage.services, stage.database, stage.backlog)))
    return taken


def middle_rate(turns: list[Turn]) -> float:
    return median(turn.worker.rate for turn in turns)


def middle_broker_rate(turns: list[Turn]) -> float:
    """Events/s that a consumer gets which does nothing else: none gets more."""
    return median(turn.broker.rate for turn in turns)


def rows(turns: list[Turn]) -> list[Row]:
    def middle(value: Callable[[Turn], float]) -> float:
        return median(value(turn) for turn in turns)

    text_rate, text_cpu = middle(lambda t: t.text_copy.rate), middle(lambda t: t.text_copy.micros)
    copy_rate, copy_cpu = middle(lambda t: t.copy.rate), middle(lambda t: t.copy.micros)
    broker_rate, broker_cpu = middle_broker_rate(turns), middle(lambda t: t.broker.micros)
    limit, rate = middle(lambda t: t.limit), middle_rate(turns)
    of_the_broker = middle(lambda t: t.worker.rate / t.broker.rate)
    text_limit = middle(lambda t: t.text_limit)
    ratio, text_ratio = (
        middle(lambda t: t.worker.rate / t.limit),
        middle(lambda t: t.worker.rate / t.text_limit),
    )
    parts = {
        "worker": middle(lambda t: t.worker.micros(t.worker.consumer)),
        "PostgreSQL": middle(lambda t: t.worker.micros(t.worker.postgres)),
        "broker": middle(lambda t: t.worker.micros(t.worker.broker)),
    }
    others = middle(lambda t: t.worker.others)
    return [
        Row(
            "raw COPY, indexes and foreign key, no statistics",
            f"text {text_rate:,.0f} rows/s, {text_cpu:.1f} µs of PostgreSQL's CPU a row; "
            f"binary {copy_rate:,.0f}, {copy_cpu:.1f} µs",
            figures={"rate": copy_rate, "postgres_us": copy_cpu, "text_rate": text_rate, "text_us": text_cpu},
        ),
        Row(
            "the broker alone, pulled and acknowledged",
            f"{broker_rate:,.0f} events/s; broker {broker_cpu:.1f} µs of CPU an event",
            figures={"rate": broker_rate, "broker_us": broker_cpu},
        ),
        Row(
            "the machine's limit: cores ÷ (broker + raw COPY)",
            f"{limit:,.0f} events/s on {cpu.cores()} cores with binary COPY, {text_limit:,.0f} with text",
            figures={"rate": limit, "text_rate": text_limit},
        ),
        Row(
            f"draining {turns[0].worker.events:,} events, published → row, statistics exact",
            f"{ratio:.2f} of the limit ({text_ratio:.2f} of that with text COPY; {rate:,.0f} events/s)",
            "≥ 0.85",
            ratio >= 0.85,
            {"ratio": ratio, "text_ratio": text_ratio, "rate": rate, "other_programs_cores": others},
        ),
        Row(
            "the same drain against the broker alone, above which there is nothing",
            f"{of_the_broker:.2f} ({rate:,.0f} of {broker_rate:,.0f} events/s)",
            figures={"ratio": of_the_broker},
        ),
        Row(
            "CPU of the worker for each event",
            f"{parts['worker']:.1f} µs (in the same run PostgreSQL {parts['PostgreSQL']:.1f} µs, "
            f"broker {parts['broker']:.1f} µs; other programs used {others:.2f} cores)",
            "≤ 25 µs",
            parts["worker"] <= 25,
            {"worker_us": parts["worker"], "postgres_us": parts["PostgreSQL"], "broker_us": parts["broker"]},
        ),
    ]


def memory_row(drained: Drain) -> Row:
    """Flat: the second half adds no tenth."""
    memory = drained.memory
    most, early, half, late = (size / 1e6 for size in (memory.most, memory.early, memory.half, memory.late))
    return Row(
        f"worker memory while {drained.events:,} events drain",
        f"at most {most:.0f} MB; {early:.0f} MB after a tenth, {half:.0f} at half, {late:.0f} at the end",
        "flat, ≤ 150 MB",
        memory.most <= MEMORY_GOAL and late <= half * FLAT,
        {"most_mb": most, "early_mb": early, "half_mb": half, "late_mb": late},
    )
