"""Why a worker ended, as the last line of its log: in the format and with the fields of all the others."""

from __future__ import annotations

import argparse
import functools
import logging

from prompt_worker.commands.command import Command
from prompt_worker.commands.explanation import explanation

# Of `EXIT_CODES`.
FAILED = 70

log = logging.getLogger(__name__)


def ends_in_log(command: Command) -> Command:
    """The command of a worker, whose errors it logs instead of raising them."""

    @functools.wraps(command)
    def run(options: argparse.Namespace) -> int:
        try:
            return command(options)
        except SystemExit:
            # A signal while it was starting.
            raise
        except BaseException as error:
            return _log(error, options)

    return run


def _log(error: BaseException, options: argparse.Namespace) -> int:
    """The exit code."""
    from prompt_worker.platform.telemetry.logs import configure_last_logs, stack_trace

    configure_last_logs(options.log_level)
    found = explanation(error, extra=options.extra)
    if found is None:
        fields = {"event": "ended", "exit_code": FAILED, "stack_trace": stack_trace(error)}
        log.critical("the program itself failed: %s", type(error).__name__, extra={"fields": fields})
        return FAILED
    why, code = found
    if why:
        log.critical("%s", why, extra={"fields": {"event": "ended", "exit_code": code}})
    return code
