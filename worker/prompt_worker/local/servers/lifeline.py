"""What we started ends with us, however we end.

A shell waits at a pipe. The kernel closes our end of it when we die, of SIGKILL too; the shell then ends the
process whose number it was given and removes the directory. (PR_SET_PDEATHSIG would need code between fork and exec,
which is unsafe with threads, and would fire when the starting *thread* ends.)
"""

from __future__ import annotations

import subprocess
from pathlib import Path

_WAIT_AT_PIPE = """
pid=0
while read -r line; do pid=$line; done
[ "$pid" -gt 0 ] || exit 0
kill -s "$1" "$pid" 2>/dev/null
tries=100
while [ "$tries" -gt 0 ] && kill -0 "$pid" 2>/dev/null; do sleep 0.1; tries=$((tries - 1)); done
[ -z "$2" ] || rm -rf -- "$2"
"""


class Lifeline:
    """Ends one process with `signal` (a name such as INT) and removes `directory`, if any, once we are gone."""

    def __init__(self, signal: str, directory: Path | None = None) -> None:
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", _WAIT_AT_PIPE, "prompt-worker-lifeline", signal, str(directory or "")],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )

    def hold(self, pid: int) -> None:
        """From now on `pid` is the process to end; 0: none."""
        assert self._shell.stdin is not None  # noqa: S101
        self._shell.stdin.write(b"%d\n" % pid)
        self._shell.stdin.flush()

    def release(self) -> None:
        """Let go, ending nothing."""
        self.hold(0)
        self._shell.communicate()
