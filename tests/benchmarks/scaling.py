"""One, two and four workers on one subscription and the same three templates."""

from __future__ import annotations

from itertools import pairwise
from statistics import median

from tests.benchmarks.draining import watch
from tests.benchmarks.services import lines_with
from tests.benchmarks.stage import Stage
from tests.benchmarks.table import Row
from tests.benchmarks.worker_process import worker

WORKERS = (1, 2, 4)
# Of the rate with fewer workers.
GOAL = 0.95
DEADLOCK = ("deadlock detected", "40P01")


def measure(stage: Stage, turns: int) -> Row:
    """Medians of turns: a machine that slows down for a minute then slows all of them."""
    services, database, backlog = stage.services, stage.database, stage.backlog
    rates: dict[int, list[float]] = {number: [] for number in WORKERS}
    in_logs = 0
    server_before = lines_with(services.postgres.log, *DEADLOCK)
    for turn in range(1, turns + 1):
        for number in WORKERS:
            stage.report(f"turn {turn} of {turns}: {number} worker{'s' if number > 1 else ''}")
            database.empty()
            children = [worker(database.url, backlog.topology.project) for _ in range(number)]
            rates[number].append(watch(services, database, backlog, children).rate)
            for child in children:
                in_logs += lines_with(child.log, *DEADLOCK, '"severity": "ERROR"')
                child.forget()
    middle = {number: median(measured) for number, measured in rates.items()}
    in_server = lines_with(services.postgres.log, *DEADLOCK) - server_before
    falls = any(later < earlier * GOAL for earlier, later in pairwise(middle.values()))
    return Row(
        "1 → 2 → 4 workers on the same three templates",
        f"{' → '.join(f'{rate:,.0f}' for rate in middle.values())} events/s; "
        f"deadlocks: {in_logs} in the workers' logs, {in_server} in PostgreSQL's",
        "no error, never falls by more than 5 %",
        not falls and not in_logs and not in_server,
        {f"rate_{number}": rate for number, rate in middle.items()}
        | {"deadlocks_workers": in_logs, "deadlocks_postgres": in_server},
    )
