"""What a service pays for `import prompt_worker`: nothing heavy, until it sends an event."""

from __future__ import annotations

import json
import subprocess
import sys

# With what each brings: the Pub/Sub client, tracing, the database, tables.
HEAVY = {"google", "grpc", "opentelemetry", "sqlalchemy", "psycopg2", "rich"}
# Seconds of processor time beyond a bare interpreter. On a busy or slow machine all seconds are longer: then the start
# of the bare interpreter is the measure.
CPU_LIMIT = 0.060
BARE_STARTS = 4
RUNS = 5

IMPORT = "import prompt_worker, prompt_worker.publishing.publisher"
LIST = f"{IMPORT}; import json, sys; print(json.dumps(sorted(sys.modules)))"
CPU = "import time; print(time.process_time())"


def python(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def cpu(*programs: str) -> list[float]:
    """Seconds of processor time of each: the least of some runs in turns, as other programs can only add to it."""
    runs = [[float(python(program)) for program in programs] for _ in range(RUNS)]
    return [min(times) for times in zip(*runs, strict=True)]


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = {name.partition(".")[0] for name in json.loads(python(LIST))}
    assert not loaded & HEAVY


def test_importing_the_package_is_fast() -> None:
    bare, imported = cpu(CPU, f"{IMPORT}; {CPU}")
    seconds = imported - bare
    print(
        f"import prompt_worker: {seconds * 1000:.0f} ms of CPU beyond a bare interpreter's {bare * 1000:.0f} ms"
    )
    assert seconds <= max(CPU_LIMIT, BARE_STARTS * bare)
