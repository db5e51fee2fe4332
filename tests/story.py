"""A story of dead letters, with the commands an operator types and what they print.

    python -m tests.story

publishes 12,000 events, 2,000 of them for a template that does not exist yet, and ends when all are rows and every
counter equals a recount; exits 1 otherwise.
"""

from __future__ import annotations

import argparse
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress

from prompt_schema.migrate import migrate
from prompt_worker.local.servers.emulator import Emulator
from prompt_worker.local.servers.postgres import Postgres
from prompt_worker.platform.postgres.engine import connect
from tests.support.events import bodies, body
from tests.support.pipeline import Pipeline, wait_until

TEMPLATE = "fractions_tutor"
COLUMNS = "118"
_STYLE = re.compile(r"\x1b\[[0-9;]*m")

Say = Callable[[str], None]


def tell(pipeline: Pipeline, good: int, broken: int, canary: int, say: Say) -> None:
    """Runs it to its end: `good` + `broken` rows, no open dead letter, exact statistics."""

    def run(*arguments: str) -> str:
        printed = _on_a_terminal(pipeline, *arguments)
        say("$ prompt-worker " + " ".join(arguments) + "\n" + printed)
        return printed

    def replay(*arguments: str) -> str:
        return run("dead-letters", "replay", "--template", TEMPLATE, *arguments)

    published = bodies(good)
    unknown = [body(template_name=TEMPLATE) for _ in range(broken)]
    step = good // broken
    mixed = [one for n, bad in enumerate(unknown) for one in [*published[n * step : (n + 1) * step], bad]]
    mixed += published[broken * step :]
    with ExitStack() as workers:
        for consumer in ("executions", "dead-letters"):
            workers.enter_context(pipeline.command("run", consumer))
        pipeline.publish(mixed, **{"ce-type": "prompt.execution.v1"})
        say(
            f"# {len(mixed):,} events are published; {broken:,} name the template {TEMPLATE}, "
            "which does not exist yet\n"
        )
        pipeline.wait_for_rows(good, 120)
        wait_until(lambda: _statuses(pipeline) == {"pending": broken}, 60, lambda: str(_statuses(pipeline)))

        assert f"{broken:,}" in run("dead-letters", "summary")
        assert f"{broken:,} would fail again" in replay()
        assert pipeline.rows() == good

        pipeline.query(
            "INSERT INTO prompt_templates (name, version, template_text, is_active) VALUES (%s, 1, '-', true)",
            TEMPLATE,
        )
        say(f"# the template {TEMPLATE} is created\n")
        assert f"{broken:,} would be written" in replay()
        assert pipeline.rows() == good

        printed = replay("--canary", str(canary), "--yes")
        assert f"canary of {canary}: {canary} resolved" in printed
        assert f"{broken:,} sent: {broken:,} resolved" in printed
        run("dead-letters", "summary")
        run("dead-letters", "history")
    assert "every counter equals a recount of the rows" in run("verify", "--statistics")
    assert _statuses(pipeline) == {"resolved": broken}
    pipeline.assert_exact(mixed)
    say(f"# {pipeline.rows():,} rows")


def _on_a_terminal(pipeline: Pipeline, *arguments: str) -> str:
    """What `prompt-worker ARGUMENTS` prints on a terminal, without colours."""
    ours, its = pty.openpty()
    environment = os.environ | pipeline.environment | {"COLUMNS": COLUMNS, "TERM": "xterm"}
    command = [sys.executable, "-m", "prompt_worker", *arguments]
    with subprocess.Popen(command, env=environment, stdout=its, stderr=subprocess.PIPE) as process:
        os.close(its)
        written = bytearray()
        # On Linux a read fails once the other side is closed.
        with suppress(OSError):
            while block := os.read(ours, 65536):
                written += block
        os.close(ours)
        assert process.stderr
        errors = process.stderr.read().decode()
    assert process.returncode == 0, errors
    return "".join(f"{line.rstrip()}\n" for line in _STYLE.sub("", written.decode()).splitlines())


def _statuses(pipeline: Pipeline) -> dict[str, int]:
    return dict(pipeline.query("SELECT status, count(*) FROM dead_letter_events GROUP BY status"))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--good", type=int, default=10_000)
    parser.add_argument("--broken", type=int, default=2_000)
    parser.add_argument("--canary", type=int, default=20)
    options = parser.parse_args()
    started = time.monotonic()
    with Postgres() as postgres, Emulator() as emulator:
        os.environ["PUBSUB_EMULATOR_HOST"] = emulator.host
        engine = connect(postgres.url, application_name="story")
        migrate(engine, lambda _: None)
        engine.dispose()
        pipeline = Pipeline("story", postgres.url)
        try:
            tell(pipeline, options.good, options.broken, options.canary, lambda line: print(line, flush=True))
        except AssertionError as error:
            print(f"THE STORY IS WRONG: {error}")
            return 1
        finally:
            pipeline.close()
    print(f"# {time.monotonic() - started:.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
