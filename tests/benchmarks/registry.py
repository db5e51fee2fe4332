"""`prompt-worker serve registry` on one core, with clients from another process that all wait for a change."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import psutil

from prompt_worker.local.servers.server import free_port
from prompt_worker.platform.process.files import allow_files
from tests.benchmarks.registry_clients import SPREAD_SECONDS, Crowd, Heard
from tests.benchmarks.services import Database, VoidError
from tests.benchmarks.stage import Report
from tests.benchmarks.table import Row
from tests.benchmarks.worker_process import ChildProcess
from tests.support.probing import probe
from tests.support.pushing import ACCOUNT, AUDIENCE, Signer

CLIENTS = 10_000
PROMPTS = 500
GOAL_MB = 400
READY_SECONDS = 30.0
# For memory and processor to be quiet once all are held.
SETTLED_SECONDS = 3.0


class Held(NamedTuple):
    clients: int
    # Resident bytes: before the first client, while all wait, and at most.
    alone: int
    held: int
    peak: int
    # CPU seconds of the endpoint: a second of holding, and from the change until all have the document.
    idle: float
    used: float
    released: float
    heard: Heard


def measure(database: Database, report: Report) -> Iterator[Row]:
    database.execute(
        "INSERT INTO prompt_templates (name, version, template_text, is_active) "
        "SELECT 'clients/' || n, 1, (SELECT template_text FROM prompt_templates WHERE name = 'nlu_topic_extraction' "
        "AND version = 1), true FROM generate_series(1, %s) AS n",
        (PROMPTS,),
    )
    # Room for as many connections as a process may have; the clients' process has its own.
    allow_files(2 * CLIENTS)
    report(f"{CLIENTS:,} clients of the registry's endpoint")
    try:
        held = _hold(database)
    finally:
        database.execute("DELETE FROM prompt_templates WHERE name LIKE 'clients/%%'", ())
    yield _row(held)


def _hold(database: Database) -> Held:
    port = free_port()
    with Signer() as signer:
        environment = {
            "DATABASE_URL": database.url,
            "PORT": str(port),
            "PROMPT_WORKER_REGISTRY_AUDIENCE": AUDIENCE,
            "PROMPT_WORKER_REGISTRY_READERS": ACCOUNT,
            "PROMPT_WORKER_REGISTRY_KEYS_URL": signer.url,
        }
        with ChildProcess(["prompt_worker", "serve", "registry"], environment) as child:
            deadline = time.monotonic() + READY_SECONDS
            while probe(port, "/readyz")[0] != 200:
                child.check()
                if time.monotonic() > deadline:
                    raise TimeoutError("the endpoint is not ready")
                time.sleep(0.05)
            child.system.cpu_affinity([sorted(psutil.Process().cpu_affinity())[0]])
            found = _with_clients(database, child, port, signer.bearer()["Authorization"])
        child.forget()
    return found


def _with_clients(database: Database, child: ChildProcess, port: int, bearer: str) -> Held:
    [(epoch, revision)] = database.execute("SELECT epoch, revision FROM prompt_registry")
    crowd = Crowd(port, bearer, CLIENTS, f"{epoch}:{revision}")
    alone = child.memory()
    with subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.registry_clients"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as clients:
        assert clients.stdin
        assert clients.stdout
        clients.stdin.write(msgspec.json.encode(crowd) + b"\n")
        clients.stdin.flush()
        if clients.stdout.readline() != b"held\n":
            raise VoidError("the clients were not held")
        time.sleep(SETTLED_SECONDS)
        before = child.cpu()
        time.sleep(1.0)
        idle, held = child.cpu() - before, child.memory()
        before, released = child.cpu(), time.time()
        database.execute("UPDATE prompt_templates SET is_active = false WHERE name = 'clients/1'")
        heard = msgspec.json.decode(clients.stdout.readline(), type=Heard)
        used = child.cpu() - before
        if clients.wait(30):
            raise VoidError("a client was not answered")
    return Held(CLIENTS, alone, held, child.peak(), idle, used, released, heard)


def _row(held: Held) -> Row:
    first, last = min(held.heard.news) - held.released, max(held.heard.news) - held.released
    spread = max(held.heard.documents) - max(held.heard.news)
    size = held.heard.bytes / held.clients / 1e3
    megabytes, peak = held.held / 1e6, held.peak / 1e6
    return Row(
        f"the registry's endpoint: {held.clients:,} clients that wait, held on one core, {PROMPTS} prompts",
        f"{megabytes:.0f} MB ({held.alone / 1e6:.0f} before them, {peak:.0f} at most), {held.idle:.2f} s of CPU "
        f"a second; a change is heard after {first:.2f} s, by all after {last:.1f} s, and all have the document "
        f"({size:.0f} kB) {spread:.1f} s later, which they ask for within {SPREAD_SECONDS:.0f} s; "
        f"{held.used:.1f} s of CPU",
        f"≤ {GOAL_MB} MB",
        peak <= GOAL_MB,
        {
            "held_mb": megabytes,
            "alone_mb": held.alone / 1e6,
            "peak_mb": peak,
            "idle_cpu": held.idle,
            "first_s": first,
            "last_s": last,
            "documents_s": spread,
            "document_kb": size,
            "cpu_s": held.used,
        },
    )
