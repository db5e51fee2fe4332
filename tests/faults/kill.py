"""P1 and P2 under `kill -9`: workers are killed at random moments while events stream in.

    python -m tests.faults.kill --rounds 20 --events 50000

prints how many ids were lost (0) and how many counters are wrong (0), and exits 1 where there are any.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import threading
import time
from dataclasses import dataclass
from uuid import UUID

from prompt_schema.migrate import migrate
from prompt_worker.local.servers.emulator import Emulator
from prompt_worker.local.servers.postgres import Postgres
from prompt_worker.platform.postgres.engine import connect
from tests.support.events import bodies, body, id_of
from tests.support.pipeline import Pipeline, wait_until

# Seconds, the least that Pub/Sub accepts: what a killed worker held is redelivered soon.
ACK_DEADLINE = 10
PORTION = 500
# In which a worker starts, works, and is killed.
SECONDS_A_ROUND = 4.0


@dataclass(frozen=True)
class Toll:
    """What the kills cost: events that are neither a row nor a dead letter, ones that are both, wrong counters."""

    published: int
    rows: int
    dead_letters: int
    lost: int
    twice: int
    wrong_counters: int

    @property
    def nothing(self) -> bool:
        return not (self.lost or self.twice or self.wrong_counters)


def run(pipeline: Pipeline, *, rounds: int, events: int, seed: int) -> Toll:
    """Kills `rounds` workers while `events` events, one in 500 of them bad, are published, a tenth twice."""
    chance = random.Random(seed)
    published = bodies(events, seed)
    for place in range(250, events, 500):
        published[place] = body(template_name="nobody-knows")
    # Spread over the kills, so that every worker dies at work.
    pause = rounds * SECONDS_A_ROUND / max(1, events / PORTION)
    publishing = threading.Thread(target=_publish, args=(pipeline, published, pause))
    publishing.start()
    for number in range(rounds):
        with pipeline.worker() as worker:
            # From its first second on, while it connects, writes, dead-letters or acknowledges.
            moment = chance.uniform(0.8, 2.5)
            worker.wait_for(lambda w: w.logs)
            time.sleep(moment)
            worker.kill()
            print(f"kill {number + 1} of {rounds} after {moment:.2f} s: {pipeline.rows()} rows", flush=True)
    publishing.join()
    bad = events // 500
    with pipeline.worker() as worker:
        pipeline.wait_for_rows(events - bad, 120 + events / 500)
        rejected = set[UUID]()
        wait_until(lambda: _more_letters(pipeline, rejected) >= bad, 60, lambda: f"{len(rejected)} of {bad}")
        code, _ = worker.terminate()
        assert code == 0
    expected, stored = {id_of(one) for one in published}, pipeline.ids()
    return Toll(
        published=len(expected),
        rows=len(stored),
        dead_letters=len(rejected),
        lost=len(expected - stored - rejected),
        twice=len(stored & rejected),
        wrong_counters=len(pipeline.wrong_counters()),
    )


def _publish(pipeline: Pipeline, published: list[bytes], pause: float) -> None:
    """All of them in batches, and a tenth of each batch a second time, as a publisher that retries does."""
    for start in range(0, len(published), PORTION):
        portion = published[start : start + PORTION]
        pipeline.publish(portion)
        pipeline.publish(portion[::10])
        time.sleep(pause)


def _more_letters(pipeline: Pipeline, rejected: set[UUID]) -> int:
    rejected |= {id_of(letter.data) for letter in pipeline.dead_letters(1, seconds=1)}
    return len(rejected)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=20)
    options = parser.parse_args()
    print(f"{options.rounds} kills during {options.events} events, seed {options.seed}", flush=True)
    with Postgres() as postgres, Emulator() as emulator:
        os.environ["PUBSUB_EMULATOR_HOST"] = emulator.host
        engine = connect(postgres.url, application_name="tests")
        migrate(engine, lambda _: None)
        engine.dispose()
        pipeline = Pipeline("kill", postgres.url, ack_deadline=ACK_DEADLINE)
        toll = run(pipeline, rounds=options.rounds, events=options.events, seed=options.seed)
        pipeline.close()
    print(
        f"{toll.published} events published, {toll.rows} rows, {toll.dead_letters} dead letters\n"
        f"ids lost: {toll.lost}\nids both written and dead-lettered: {toll.twice}\n"
        f"counters wrong: {toll.wrong_counters}"
    )
    return 0 if toll.nothing else 1


if __name__ == "__main__":
    sys.exit(main())
