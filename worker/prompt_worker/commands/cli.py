"""The command line: arguments in, exit code out. Each command imports what it needs, and only that."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from prompt_worker.commands.consumers import CONSUMERS, PUSHED
from prompt_worker.commands.dead_letters.group import add_dead_letters
from prompt_worker.commands.guardrails.group import add_guardrails
from prompt_worker.commands.operator import Command, add_command
from prompt_worker.commands.rewind import add_seek, add_snapshot
from prompt_worker.platform.failures import Failure, SettingsError
from prompt_worker.platform.process.signals import exit_while_starting


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; its exit code."""
    options = _parser().parse_args(arguments)
    command: Command = options.command
    try:
        return command(options)
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        return _fail(
            f"{error.name} is not installed: pip install 'prompt-worker[{options.extra}]'",
            SettingsError.exit_code,
        )
    except Failure as error:
        return _fail(error, error.exit_code)


def _fail(error: object, code: int) -> int:
    print(f"prompt-worker: {error}", file=sys.stderr)
    return code


def _migrate(_: argparse.Namespace) -> int:
    from prompt_schema.migrate import migrate
    from prompt_worker.commands.engine import open_engine

    applied = migrate(open_engine("migrate", statement_timeout_ms=0, lock_timeout_ms=30_000), print)
    print(f"{len(applied)} migrations applied" if applied else "nothing to do: the database is up to date")
    return 0


def _verify(options: argparse.Namespace) -> int:
    from prompt_schema.statistics import recount
    from prompt_schema.verify import verify
    from prompt_worker.commands.engine import open_engine
    from prompt_worker.commands.report import print_checks, print_differences

    engine = open_engine("verify", statement_timeout_ms=0)
    if options.statistics:
        return print_differences(recount(engine))
    return print_checks(verify(engine))


def _rebuild_statistics(_: argparse.Namespace) -> int:
    from prompt_schema.statistics import rebuild
    from prompt_worker.commands.engine import open_engine

    print(f"{rebuild(open_engine('rebuild-statistics', statement_timeout_ms=0))} rows corrected")
    return 0


def _topics(_: argparse.Namespace) -> int:
    from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient

    from prompt_worker.platform.pubsub.topology import read_topology, reconcile
    from prompt_worker.platform.settings import Environment

    environment = Environment()
    wanted = read_topology(environment)
    environment.check()
    with PublisherClient() as publisher, SubscriberClient() as subscriber:
        for change in reconcile(wanted, publisher, subscriber):
            print(f"{change.path}: {change.action}")
    return 0


def _run(options: argparse.Namespace) -> int:
    exit_while_starting()
    from prompt_worker.consuming.pull import run
    from prompt_worker.platform.telemetry import configure_logs

    configure_logs(options.log_level)
    run(CONSUMERS[options.consumer])
    return 0


def _serve(options: argparse.Namespace) -> int:
    exit_while_starting()
    from prompt_worker.consuming.push.serve import serve
    from prompt_worker.platform.telemetry import configure_logs

    configure_logs(options.log_level)
    names = [options.only] if options.only else PUSHED
    serve([CONSUMERS[name] for name in names], options.only or "serve")
    return 0


def _publish(options: argparse.Namespace) -> int:
    from prompt_worker import Publisher
    from prompt_worker.commands.publish import run, source
    from prompt_worker.platform.telemetry import configure_logs

    configure_logs("WARNING")
    with source(options.file) as lines:
        return run(lines, Publisher(), as_json=options.json)


def _doctor(_: argparse.Namespace) -> int:
    from prompt_worker.commands.report import print_checks
    from prompt_worker.doctor.examination import examine

    return print_checks(examine())


def _up(options: argparse.Namespace) -> int:
    from prompt_worker.local.up import up

    return up(demo=options.demo, once=options.once, data_dir=options.data)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="prompt-worker",
        description="Records LLM prompt executions: Pub/Sub in, exact rows and statistics out.",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    up = add_command(
        commands, "up", _up, "the whole system on this machine, with nothing configured", extra="local"
    )
    up.add_argument("--demo", type=int, default=0, metavar="N", help="publish N realistic events")
    up.add_argument("--once", action="store_true", help="stop when the demo is counted")
    up.add_argument("--data", metavar="DIR", help="keep the database in DIR")

    add_command(commands, "migrate", _migrate, "apply the schema to an empty or an already live database")
    verify = add_command(commands, "verify", _verify, "check the schema by using it")
    verify.add_argument(
        "--statistics", action="store_true", help="recount every counter from the rows instead"
    )
    add_command(commands, "rebuild-statistics", _rebuild_statistics, "correct every counter from the rows")
    add_command(commands, "topics", _topics, "create or reconcile topics and subscriptions")

    run = add_command(commands, "run", _run, "run a consumer until SIGTERM", extra="worker,guardrails")
    run.add_argument("consumer", choices=list(CONSUMERS))
    serve = add_command(
        commands, "serve", _serve, "take Pub/Sub's push requests until SIGTERM", extra="push,guardrails"
    )
    serve.add_argument("only", nargs="?", choices=PUSHED, help="not given: both, each on its path")
    for lasting in (run, serve):
        lasting.add_argument(
            "--log-level",
            choices=["DEBUG", "INFO", "WARNING", "ERROR"],
            help="instead of PROMPT_WORKER_LOG_LEVEL, INFO",
        )

    add_guardrails(commands.add_parser("guardrails", help="what is active, and what it finds"))

    about = "what failed and why, and sending it again"
    add_dead_letters(commands.add_parser("dead-letters", help=about, description=about))

    about = "have a subscription deliver again what was published since a time or a snapshot"
    add_seek(commands.add_parser("seek", help=about, description=about))
    add_snapshot(commands.add_parser("snapshot", help="places to seek back to"))

    publish = add_command(commands, "publish", _publish, "publish newline-delimited JSON events")
    publish.add_argument("file", metavar="FILE", help="a file, or - for standard input")
    publish.add_argument("--json", action="store_true", help="print the counts as JSON")

    add_command(commands, "doctor", _doctor, "is this deployment sound? One line a check")
    return parser
