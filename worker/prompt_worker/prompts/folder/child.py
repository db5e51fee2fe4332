"""`python -m prompt_worker.prompts.folder.child FOLDER START`: compiles the files from START on, each within limits.

Writes one JSON object a line: of each file its place among the files when it is begun, and what was found when it is
done. A file that costs too much ends this process by a signal; whoever started it knows from the last line which.
"""

from __future__ import annotations

import resource
import signal
import sys
from pathlib import Path
from typing import Any

import msgspec

from prompt_worker.prompts.errors import Fault, PromptError, RenderLimitError, TemplateFaultError
from prompt_worker.prompts.folder.file import PromptFile
from prompt_worker.prompts.folder.reading import Named, as_stored, prompt_files, read_named
from prompt_worker.prompts.snapshot import Resolver
from prompt_worker.prompts.version import CompiledVersion, Stored

# Seconds of processor time of one file; the slowest that the limits on templates allow needs a tenth of it.
CPU_LIMIT = 0.4
# Bytes that compiling may add.
_MEMORY_LIMIT = 256_000_000
# What a trial gives to every variable whose kind is not declared.
_TRIALS: tuple[Any, ...] = ("text", 3, ["text"], {"text": "text"})


class Found(msgspec.Struct):
    """A line. `fault` of a file that cannot be used; `sha256` of one that can."""

    at: int
    done: bool = False
    sha256: str | None = None
    fault: str | None = None
    line: int = 0
    column: int = 0


def main() -> None:
    folder, start = Path(sys.argv[1]), int(sys.argv[2])
    files = list(prompt_files(folder))
    _limit_memory()
    read, stored = [], {}
    for named in files:
        file = _read(named)
        read.append(file)
        if isinstance(file, PromptFile):
            # The active one has its version from the lock, which is not read here.
            stored[named.name, named.version or 0] = as_stored(named, file, named.version or 0)
    resolver = Resolver(stored)
    for at in range(start, len(files)):
        _write(Found(at))
        # The kernel's own end of a process, so that it also comes while Python is busy inside one call.
        signal.setitimer(signal.ITIMER_PROF, CPU_LIMIT)
        _write(_found(at, read[at], stored.get((files[at].name, files[at].version or 0)), resolver))
        signal.setitimer(signal.ITIMER_PROF, 0)


def _read(named: Named) -> PromptFile | TemplateFaultError:
    try:
        return read_named(named)
    except TemplateFaultError as error:
        return error


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
        return Found(at, True, stored.sha256 if stored else None)
    return Found(at, True, None, fault.message, fault.line, fault.column)


def _fault(file: PromptFile, stored: Stored, resolver: Resolver) -> Fault | None:
    try:
        compiled = CompiledVersion(stored, resolver.lookup_for, "builtin", None)
    except TemplateFaultError as error:
        return file.located(error)
    except MemoryError:
        return Fault("it needs too much memory")
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


def _limit_memory() -> None:
    limit = _address_space() + _MEMORY_LIMIT
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _address_space() -> int:
    """Bytes that this process has mapped."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    # Only Linux says; elsewhere the limit is none.
    except OSError:
        return 1 << 40
    return pages * resource.getpagesize()


def _write(found: Found) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
