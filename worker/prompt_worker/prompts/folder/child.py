"""`python -m prompt_worker.prompts.folder.child FOLDER START SKIPPED`: compiles files from START on, within limits.

Writes one JSON object a line: the place of each file among the files before it is read, and before and after it is
compiled. A file that costs too much ends this process by a signal; whoever started it sees in the last line which, and
starts another, with the places of those that could not even be read in SKIPPED, separated by commas.
"""

from __future__ import annotations

import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec

from prompt_worker.prompts.errors import Fault, PromptError, RenderLimitError, TemplateFaultError
from prompt_worker.prompts.folder.file import PromptFile
from prompt_worker.prompts.folder.reading import Named, as_stored, prompt_files, read_named
from prompt_worker.prompts.snapshot.snapshot import Resolver
from prompt_worker.prompts.version import CompiledVersion, Stored

# Seconds of processor time of one file; the slowest that the limits on templates allow needs a tenth of it.
CPU_LIMIT = 0.4
# Bytes that compiling may add.
_MEMORY_LIMIT = 256_000_000
EXPENSIVE = "it takes too much processor time or memory to read, to compile or to render"
# What a trial gives to every variable whose kind is not declared.
_TRIALS: tuple[Any, ...] = ("text", 3, ["text"], {"text": "text"})


class Found(msgspec.Struct):
    """A line. `fault` of a file that cannot be used; `sha256` of one that can."""

    at: int
    step: Literal["reading", "compiling", "done"]
    sha256: str | None = None
    fault: str | None = None
    line: int = 0
    column: int = 0


def main() -> None:
    folder, start = Path(sys.argv[1]), int(sys.argv[2])
    skipped = {int(at) for at in sys.argv[3].split(",") if at}
    files = list(prompt_files(folder))
    limit_memory()
    read: list[PromptFile | TemplateFaultError] = []
    stored = {}
    for at, named in enumerate(files):
        file = TemplateFaultError(Fault(EXPENSIVE)) if at in skipped else _read(at, named)
        read.append(file)
        if isinstance(file, PromptFile):
            # The active one has its version from the lock, which is not read here.
            stored[named.name, named.version or 0] = as_stored(named, file, named.version or 0)
    resolver = Resolver(stored)
    for at in range(start, len(files)):
        _write(Found(at, "compiling"))
        with limited():
            found = _found(at, read[at], stored.get((files[at].name, files[at].version or 0)), resolver)
        _write(found)


@contextmanager
def limited() -> Iterator[None]:
    """Ends this process by a signal where the block takes longer than `CPU_LIMIT`."""
    # The kernel's own end of a process, so that it also comes while Python is busy inside one call.
    signal.setitimer(signal.ITIMER_PROF, CPU_LIMIT)
    yield
    signal.setitimer(signal.ITIMER_PROF, 0)


def _read(at: int, named: Named) -> PromptFile | TemplateFaultError:
    _write(Found(at, "reading"))
    try:
        with limited():
            return read_named(named)
    except TemplateFaultError as error:
        return error
    except MemoryError:
        return TemplateFaultError(Fault(EXPENSIVE))


def _found(
    at: int, file: PromptFile | TemplateFaultError, stored: Stored | None, resolver: Resolver
) -> Found:
    fault: Fault | None
    if isinstance(file, TemplateFaultError):
        fault = file.fault
    elif stored is None or stored.content is not file.content:
        fault = Fault("another file has the same name")
    else:
        fault = _fault(file, stored, resolver)
    if fault is None:
        return Found(at, "done", stored.sha256 if stored else None)
    return Found(at, "done", None, fault.message, fault.line, fault.column)


def _fault(file: PromptFile, stored: Stored, resolver: Resolver) -> Fault | None:
    try:
        compiled = CompiledVersion(stored, resolver.lookup_for, "builtin", None)
    except TemplateFaultError as error:
        return file.located(error)
    except MemoryError:
        return Fault(EXPENSIVE)
    return trial_fault(compiled)


def trial_fault(compiled: CompiledVersion) -> Fault | None:
    """What rendering with values of every kind shows: a version that reaches a limit whatever it is given."""
    for prompt in compiled.prompts():
        for value in _TRIALS:
            try:
                prompt.render(prompt.declared_.trial(value))
            except RenderLimitError as error:
                return Fault(str(error))
            # Of the wrong kind, as a trial may be.
            except PromptError:
                continue
    return None


def limit_memory() -> None:
    """To what this process has mapped and `_MEMORY_LIMIT` bytes."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    # Only Linux says, and only it holds to the limit.
    except OSError:
        return
    limit = pages * resource.getpagesize() + _MEMORY_LIMIT
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _write(found: Found) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
