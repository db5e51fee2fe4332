"""What `warm.py` runs: imports, then forks for each question on the socket whose descriptor is its argument."""

import atexit
import gc
import io
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# What the workers and commands import when they start.
import prompt_worker.commands.cli
import prompt_worker.consuming.pull.run
import prompt_worker.consuming.push.serve
import prompt_worker.deadletters.store
import prompt_worker.executions.writer
import prompt_worker.experiments.evaluator
import prompt_worker.guardrails.recording.handler
import prompt_worker.prompts.authoring.checks.child
import prompt_worker.prompts.endpoint.app
import prompt_worker.prompts.serving.service
import prompt_worker.publishing.publisher  # noqa: F401

_BYTES = 8
# By process id of a fork: where its exit code is to be written.
_statuses: dict[int, int] = {}


def serve(asking: socket.socket) -> dict[str, object] | None:
    """What a fork is to become; in the first process None, once nobody asks any more."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    # Ctrl-C ends the tests, and they end this.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    while True:
        ready, _, _ = select.select([asking, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            report()
        if asking not in ready:
            continue
        size, descriptors, _, _ = socket.recv_fds(asking, _BYTES, 4)
        if not size:
            return None
        question = json.loads(asking.recv(int.from_bytes(size), socket.MSG_WAITALL))
        status, *streams = descriptors
        if child := os.fork():
            _statuses[child] = status
            asking.sendall(child.to_bytes(_BYTES))
            for each in streams:
                os.close(each)
            continue
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        asking.close()
        for each in (woken, wake, status, *_statuses.values()):
            os.close(each)
        take(streams, question["open"])
        return question


def report() -> None:
    """Says how forks have ended, each where it is asked."""
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            status = _statuses.pop(ended[0])
            with suppress(BrokenPipeError):
                os.write(status, os.waitstatus_to_exitcode(ended[1]).to_bytes(_BYTES, signed=True))
            os.close(status)


def take(streams: list[int], given: list[bool]) -> None:
    """These are its standard input, output and error; one that is not given is closed."""
    for number, is_given in enumerate(given):
        if is_given:
            opened = streams.pop(0)
            os.dup2(opened, number)
            os.close(opened)
        else:
            os.close(number)


def become(question: dict[str, object]) -> None:
    """As Python does it when it starts."""
    os.environ.clear()
    os.environ.update(question["environment"])
    os.chdir(question["folder"])
    sys.path[0] = question["folder"]
    paths = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    sys.path[1:1] = [path for path in map(os.path.abspath, paths) if path not in sys.path]
    encoding = os.environ.get("PYTHONIOENCODING", "utf-8")
    read, write, err = question["open"]
    sys.stdin = sys.__stdin__ = open(0, encoding=encoding) if read else None  # noqa: SIM115
    sys.stdout = sys.__stdout__ = open(1, "w", encoding=encoding) if write else None  # noqa: SIM115
    if err:
        unbuffered = io.FileIO(2, "w", closefd=False)
        sys.stderr = io.TextIOWrapper(unbuffered, encoding, "backslashreplace", write_through=True)
    else:
        sys.stderr = None
    sys.__stderr__ = sys.stderr


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Does what Python does at the end, but for taking everything apart that was imported: that takes longest."""
    code: object = None
    try:
        yield
    except SystemExit as error:
        code = error.code
    if not (code is None or isinstance(code, int)):
        sys.exit(code)
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        # A failure is an end as Python's own.
        if stream is not None and not stream.closed:
            stream.flush()
    os._exit((code or 0) & 0xFF)


if __name__ == "__main__":
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as asking:
        asked = serve(asking)
    if asked is None:
        for pid in _statuses:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        sys.exit()
    become(asked)
    kind, what, *rest = asked["arguments"]
    sys.argv[:] = [kind, *rest]
    with ending_at_once():
        if kind == "-m":
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        else:
            made = types.ModuleType("__main__")
            sys.modules["__main__"] = made
            exec(compile(what, "<string>", "exec"), vars(made))
