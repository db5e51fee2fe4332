"""`python -m tests.benchmarks.prompt_loads FILE`: a service reads a registry of 500 prompts from FILE; prints `Loads`.

A process of its own, as memory is counted for the whole of one.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from pathlib import Path
from statistics import quantiles
from typing import Any

import msgspec

from prompt_worker import PromptTemplateService
from prompt_worker.prompts.folder.reading import read_folder
from prompt_worker.prompts.registry.document import decode
from prompt_worker.prompts.registry.sources.file import FileSource
from prompt_worker.prompts.registry.sources.source import Fetched
from prompt_worker.prompts.serving.choosing import View
from prompt_worker.prompts.serving.following import Following
from prompt_worker.prompts.snapshot.snapshot import Snapshot
from tests.support.registry import document, version

COLD = "tests.benchmarks.prompt_loads"
FOLDER = Path(__file__).parents[1] / "examples" / "prompts"
PROMPTS = 500
TICK = 0.001
SWAPS = 9
SCRIPT = "educational_script_generation"
# Of the length of a page, as retrieved material is.
VARIABLES: dict[str, Any] = {
    "topics": ["photosynthesis", "light", "chlorophyll"],
    "rag_context": "Plants turn light, water and carbon dioxide into sugar and oxygen. " * 40,
    "grade_level": "grade 8",
    "duration_seconds": 90,
    "interests": ["football", "game design"],
}


class Loads(msgspec.Struct):
    """`late_ms`, `reader_ms`: p99 while the registry was compiled; `swap_ms` the median of one change among all."""

    cold_seconds: float
    late_ms: float
    reader_ms: float
    swap_ms: float
    megabytes: float


def main() -> None:
    path = Path(sys.argv[1])
    path.write_bytes(registry(0))
    prompts = PromptTemplateService(FOLDER, registry=f"file://{path}", last_good=path.parent)
    prompts.get(SCRIPT).render(VARIABLES)
    prompts.close()
    prompts = PromptTemplateService(FOLDER, registry=f"file://{path}", last_good=path.parent)
    gc.collect()
    before = _resident()
    cold, late, reading = asyncio.run(_cold(prompts))
    gc.collect()
    used = _resident() - before
    prompts.close()
    loads = Loads(cold, _p99(late) * 1e3, _p99(reading) * 1e3, _swap(path), used / 1e6)
    sys.stdout.buffer.write(msgspec.json.encode(loads))


def registry(changed: int) -> bytes:
    """Its revision is one more than how many were changed."""
    (seed,) = (each for each in read_folder(FOLDER).stored if each.name == SCRIPT)
    text, variables = seed.content.template_text, seed.content.variables
    return document(
        *(
            version(
                f"prompt/{at}",
                1 + (at < changed),
                f"{at} {at < changed}\n{text}",
                variables=variables,
                template_id=f"0198c0de-0000-7000-8000-{at:012d}",
            )
            for at in range(PROMPTS)
        ),
        revision=changed + 1,
    )


async def _cold(prompts: PromptTemplateService) -> tuple[float, list[float], list[float]]:
    late: list[float] = []
    reading: list[float] = []
    ended = threading.Event()
    reader = threading.Thread(target=_read, args=(prompts, reading, ended))
    reader.start()
    await asyncio.sleep(0.2)
    started = time.perf_counter()
    prompts.start()
    while not prompts.start():
        before = time.perf_counter()
        await asyncio.sleep(TICK)
        late.append(time.perf_counter() - before - TICK)
    seconds = time.perf_counter() - started
    ended.set()
    reader.join()
    return seconds, late, [each for at, each in reading if at >= started]  # type: ignore[misc]


def _read(prompts: PromptTemplateService, reading: list[Any], ended: threading.Event) -> None:
    """As a service that has something else to do between two requests."""
    while not ended.is_set():
        started = time.perf_counter()
        prompts.get(SCRIPT).render(VARIABLES)
        reading.append((started, time.perf_counter() - started))
        time.sleep(TICK)


def _swap(path: Path) -> float:
    """Milliseconds from the bytes of a document to what is served."""
    empty = Snapshot.build([])
    following = Following(
        FileSource(f"file://{path}", "registry="), None, {}, lambda live: View(empty, live, offline=False)
    )
    following.offer(Fetched(decode(registry(0))))
    found = []
    for changed in range(1, SWAPS + 1):
        content = registry(changed)
        started = time.perf_counter()
        following.offer(Fetched(decode(content)))
        found.append((time.perf_counter() - started) * 1e3)
    return sorted(found)[SWAPS // 2]


def _p99(found: list[float]) -> float:
    return quantiles(found, n=100)[98]


def _resident() -> int:
    """Bytes."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise OSError("this kernel does not say")


if __name__ == "__main__":
    main()
