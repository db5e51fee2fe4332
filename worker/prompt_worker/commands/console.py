"""`prompt-worker console`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_by, add_command, who
from prompt_worker.commands.workers.log_level import add_log_level
from prompt_worker.platform.process.signals import exit_while_starting

PORT = 8420


def add(commands: Commands) -> None:
    console = add_command(
        commands,
        "console",
        _console,
        "pages for prompt owners and operators, in a browser on this machine",
        details="It prints the address to open, with a key that is new each time; Ctrl-C stops it. "
        "It may do what the login of DATABASE_URL may do.",
        extra="console",
    )
    console.add_argument(
        "--port", type=_port, default=PORT, metavar="N", help=f"listen on this port (default: {PORT}; 0: any)"
    )
    add_by(console)
    add_log_level(console)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text[:6]) < 65_536):
        raise argparse.ArgumentTypeError(f"{text}: expected a port, 0 to 65535")
    return int(text)


def _console(options: argparse.Namespace) -> int:
    exit_while_starting()
    from prompt_worker.console.serve import serve
    from prompt_worker.platform.telemetry import configure_logs

    configure_logs(options.log_level)
    serve(options.port, who(options), _announce)
    return 0


def _announce(address: str) -> None:
    print(f"the console is at {address}", flush=True)
