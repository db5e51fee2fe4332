"""`prompt-worker up`: all of the system from one command, its sum proved, and nothing left when it ends."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest

from prompt_worker.local.demo.events import Plan
from prompt_worker.local.servers.postgres import Postgres
from tests.support.timing import LATE

UP = [sys.executable, "-m", "prompt_worker", "up"]


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """In reach of the account that root's PostgreSQL runs as, unlike pytest's own directories."""
    parent = Path(tempfile.mkdtemp(prefix="prompt-worker-test-"))
    parent.chmod(0o755)
    yield parent / "data"
    shutil.rmtree(parent)


@pytest.fixture
def running() -> Iterator[subprocess.Popen[str]]:
    """`up` without a demonstration, once it says that it runs."""
    with subprocess.Popen(UP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        yield process
        process.kill()


def read_until(process: subprocess.Popen[str], marker: str) -> str:
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if marker in line:
            break
    return "".join(lines)


def runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        # It ended between the two questions.
        return False


def wait_until_gone(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run after 20 s; a zombie has ended."""
    deadline = time.monotonic() + 20
    while True:
        left = [one for one in processes if runs(one)]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.1)


def test_demo_is_counted_and_adds_up() -> None:
    done = subprocess.run(
        [*UP, "--demo", "500", "--once"], capture_output=True, text=True, check=False, timeout=120
    )
    plan = Plan(500)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        f"500 published = {plan.rows} written + {plan.duplicates} duplicates + {plan.bad} dead-lettered: "
        "nothing is lost"
    ) in done.stdout
    assert "every counter equals a recount of the rows" in done.stdout
    assert f"{plan.bad} dead letters of " in done.stdout
    assert "violations: exactly those planted" in done.stdout
    assert re.search(rf"pii_detection_basic +CREDIT_CARD worker +{plan.planted} +{plan.planted}", done.stdout)
    runs = {
        name: int(count) for name, count in re.findall(r"^ *(\w+ v\d) +(\d+) ", done.stdout, re.MULTILINE)
    }
    assert sum(runs.values()) == plan.rows
    assert {name.split()[0] for name in runs} == {
        "nlu_topic_extraction",
        "clarification_question_generation",
        "educational_script_generation",
    }
    assert {name for name in runs if name.startswith("nlu")} == {
        "nlu_topic_extraction v1",
        "nlu_topic_extraction v2",
    }
    assert (
        "nlu_topic_extraction: version 2 was activated in the middle, and reached every service"
        in done.stdout
    )
    followed = re.findall(r"^(?:web|app|classroom|homework) +(\d+) +(\d\.\d\d) s", done.stdout, re.MULTILINE)
    assert len(followed) == 4
    # Too few units for a verdict, and yet both are shown.
    assert re.search(r"^fewer questions +75% and 92% +\d+ .* collecting: ", done.stdout, re.MULTILINE)
    assert re.search(r"^easy pace +92% and 92% +\d+ .* collecting: ", done.stdout, re.MULTILINE)
    assert re.search(
        r"verdicts: as planted; \d+ executions were served as assigned$", done.stdout, re.MULTILINE
    )
    assert "up --demo 5000 has as many" in done.stdout
    assert all(float(seconds) < 6 + LATE for _, seconds in followed)
    assert done.stderr == ""


def test_kept_database_is_reused(data_dir: Path) -> None:
    """The second time by a user without a name, on a terminal for ASCII alone, with standard input closed."""
    command = [*UP, "--demo", "40", "--once", "--data", str(data_dir)]
    subprocess.run(command, capture_output=True, check=True, timeout=120)
    odd = ["bash", "-c", 'unset LOGNAME USER LNAME USERNAME HOME; PYTHONIOENCODING=ascii "$@" <&-', "bash"]
    again = subprocess.run([*odd, *command], capture_output=True, check=True, timeout=120)
    assert again.stdout.isascii()
    assert again.stderr == b""
    with Postgres(data_dir) as kept:
        connection = psycopg2.connect(kept.url)
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM prompt_executions")
            assert cursor.fetchone() == (2 * Plan(40).rows,)
        connection.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_stops_every_process_of_up(running: subprocess.Popen[str], number: signal.Signals) -> None:
    shown = read_until(running, "Ctrl-C stops")
    assert "export DATABASE_URL=postgresql://" in shown
    started = psutil.Process(running.pid).children(recursive=True)
    assert len(started) > 5
    running.send_signal(number)
    rest = read_until(running, "\0")
    assert running.wait(60) == 0, rest
    assert "Traceback" not in rest
    assert wait_until_gone(started) == []


def test_killed_up_leaves_nothing_behind(running: subprocess.Popen[str]) -> None:
    read_until(running, "Ctrl-C stops")
    started = psutil.Process(running.pid).children(recursive=True)
    running.send_signal(signal.SIGKILL)
    assert wait_until_gone(started) == []


def test_missing_java_is_reported_before_anything_starts(tmp_path: Path) -> None:
    done = subprocess.run(
        UP, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 69
    assert "needs Java" in done.stderr
    assert done.stdout == ""
