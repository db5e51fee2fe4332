"""One, two and four workers on one subscription and the same three templates."""

from __future__ import annotations

from itertools import pairwise

from tests.benchmarks.drain import Drain, watch
from tests.benchmarks.services import lines_with
from tests.benchmarks.stage import Stage
from tests.benchmarks.table import Row
from tests.benchmarks.worker_process import worker

WORKERS = (1, 2, 4)
NOISE = 0.95  # two runs of the same differ by so much
DEADLOCK = ("deadlock detected", "40P01")


def measure(stage: Stage) -> Row:
    services, database, backlog = stage.services, stage.database, stage.backlog
    drains: dict[int, Drain] = {}
    in_logs = 0
    server_before = lines_with(services.postgres.log, *DEADLOCK)
    for number in WORKERS:
        stage.report(f"{number} workers" if number > 1 else "one worker")
        database.empty()
        children = [worker(database.url, backlog.topology.project) for _ in range(number)]
        drains[number] = watch(services, database, backlog, children)
        for child in children:
            in_logs += lines_with(child.log, *DEADLOCK, '"severity": "ERROR"')
            child.forget()
    in_server = lines_with(services.postgres.log, *DEADLOCK) - server_before
    rates = [drained.rate for drained in drains.values()]
    falls = any(later < earlier * NOISE for earlier, later in pairwise(rates))
    return Row(
        "1 → 2 → 4 workers on the same three templates",
        f"{' → '.join(f'{rate:,.0f}' for rate in rates)} events/s; deadlocks: {in_logs} in the workers' logs, "
        f"{in_server} in PostgreSQL's",
        "no error, never falls",
        not falls and not in_logs and not in_server,
        {f"rate_{number}": drained.rate for number, drained in drains.items()}
        | {"deadlocks_workers": in_logs, "deadlocks_postgres": in_server},
    )
