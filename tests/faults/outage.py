"""P1 and P4 where Pub/Sub pushes: the database is down for a day, and events keep coming.

    python -m tests.faults.outage --hours 24 --seconds 60

Time is compressed: the hours of the outage pass in so many seconds. Events are published all day long, and each is sent
again and again, with the backoff that the subscription declares, until it is answered 204. Only the service's own time
remains real, such as the half second after which it answers 503 here. Printed is how it answers and its memory,
hour by hour; exits 1 where anything is lost or miscounted, or memory grows.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prompt_schema.migrate import migrate
from prompt_worker.local.servers.emulator import Emulator
from prompt_worker.local.servers.postgres import Postgres
from prompt_worker.platform.postgres.engine import connect
from tests.support.events import bodies
from tests.support.pipeline import Pipeline, wait_until
from tests.support.probing import probe
from tests.support.pushes import Clock, Pushes
from tests.support.pushing import Serving, Signer

HOUR = 3600.0
# Bytes that the memory of the service may grow by from the first hour of an outage to its end.
GROWTH = 15_000_000
# An hour is a few seconds: a request waits no longer, and fewer of them fill the service.
SETTINGS = {"PROMPT_WORKER_PUSH_ANSWER_SECONDS": "0.5", "PROMPT_WORKER_PUSH_IN_FLIGHT": "100"}
# Real seconds, for a service that has to connect again and for a busy machine.
PATIENCE = 60.0


@dataclass(frozen=True)
class Outage:
    """What became of it: answers by status, bytes of memory hour by hour, Pub/Sub's seconds until all was settled."""

    published: Sequence[bytes]
    answers: Counter[int]
    most_attempts: int
    expired: int
    memory: Sequence[int]
    recovery: float
    alive: bool

    @property
    def growth(self) -> int:
        return max(self.memory) - self.memory[0]


def run(
    pipeline: Pipeline,
    postgres: Postgres,
    *,
    hours: int,
    seconds: float,
    events: int,
    report: Callable[[str], object] = lambda _: None,
) -> Outage:
    """Publishes `events` events in an outage of `hours` hours, which takes `seconds` seconds, and some around it."""
    # Its memory is measured.
    pipeline.warm = False
    clock = Clock(hours * HOUR / seconds)
    early, late, during = (bodies(number, seed=number) for number in (50, 60, events))
    with Signer() as signer, Serving(pipeline, signer, **SETTINGS) as serving:
        pushes = Pushes(clock, serving.port, signer.bearer())

        def publish_and_settle(published: Sequence[bytes]) -> None:
            for one in published:
                pushes.publish(one)
            wait_until(lambda: not pushes.unsettled, PATIENCE, lambda: serving.process.output)

        try:
            publish_and_settle(early)
            pushes.statuses.clear()
            postgres.stop()
            memory, alive = [], True
            began = clock.now()
            for hour in range(hours):
                for number, one in enumerate(during[hour::hours]):
                    pushes.publish(one)
                    clock.wait_until(began + (hour + number * hours / events) * HOUR)
                clock.wait_until(began + (hour + 1) * HOUR)
                alive = alive and probe(serving.port, "/healthz")[0] == 200
                memory.append(serving.process.rss)
                report(f"hour {hour + 1:2}: {_described(pushes)}, {memory[-1] / 1e6:.0f} MB")
            answers = Counter(pushes.statuses)
            postgres.start()
            back = clock.now()
            publish_and_settle(late)
        finally:
            pushes.end()
        assert serving.process.terminate()[0] == 0
        assert serving.process.messages("ERROR", "CRITICAL") == []
    return Outage(
        [*early, *during, *late],
        answers,
        pushes.most_attempts,
        pushes.expired,
        memory,
        pushes.settled_at - back,
        alive,
    )


def _described(pushes: Pushes) -> str:
    answers = ", ".join(f"{number:,} of {status}" for status, number in sorted(pushes.statuses.items()))
    return f"{pushes.unsettled:,} wait, {answers or 'no answer'}"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--events", type=int, default=240)
    options = parser.parse_args()
    with Postgres() as postgres, Emulator() as emulator:
        os.environ["PUBSUB_EMULATOR_HOST"] = emulator.host
        engine = connect(postgres.url, application_name="tests")
        migrate(engine, lambda _: None)
        engine.dispose()
        pipeline = Pipeline("outage", postgres.url)
        outage = run(
            pipeline,
            postgres,
            hours=options.hours,
            seconds=options.seconds,
            events=options.events,
            report=lambda line: print(line, flush=True),
        )
        dead_letters = pipeline.dead_letters(0)
        rows, wrong = pipeline.rows(), len(pipeline.wrong_counters())
        lost = len(outage.published) - rows
        pipeline.close()
    print(
        f"{len(outage.published)} events published, {rows} rows, {len(dead_letters)} dead letters, "
        f"{outage.expired} expired\nids lost: {lost}\ncounters wrong: {wrong}\n"
        f"attempts at one event: {outage.most_attempts} at most; alive all the time: {outage.alive}\n"
        f"memory grew by {outage.growth / 1e6:.0f} MB; all settled {outage.recovery / 60:.0f} of Pub/Sub's minutes "
        "after the database was back"
    )
    return int(bool(lost or wrong or dead_letters or not outage.alive or outage.growth > GROWTH))


if __name__ == "__main__":
    sys.exit(main())
