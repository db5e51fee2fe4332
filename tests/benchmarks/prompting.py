"""What a prompt costs the service that asks for it: get, render, and the snapshot behind them. Without any server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from statistics import median, quantiles

from rich.console import Console

from prompt_worker import PromptTemplateService
from prompt_worker.prompts.content import Content
from prompt_worker.prompts.folder.reading import read_folder
from prompt_worker.prompts.snapshot.snapshot import Snapshot
from prompt_worker.prompts.template.template import compile_template
from prompt_worker.prompts.version import Stored
from tests.benchmarks.prompt_loads import FOLDER, PROMPTS, SCRIPT, VARIABLES
from tests.benchmarks.table import Row, show, times

CALLS = 20_000
WARM_UP = 1_000
COMPILED = 200
GET_GOAL, RENDER_GOAL, SLOWEST_GOAL = 3.0, 25.0, 100.0
SWAP_GOAL, COLD_GOAL = 50.0, 3.0


def measure() -> Iterator[Row]:
    prompts = PromptTemplateService.offline(FOLDER)
    yield _calls(prompts)
    yield _snapshots()


def _calls(prompts: PromptTemplateService) -> Row:
    """Each call on its own; the median of what the clock itself takes is taken off."""
    clock = median(_timed(lambda: None, CALLS))
    getting = median(_timed(lambda: prompts.get(SCRIPT), CALLS)) - clock
    rendering = [each - clock for each in _timed(lambda: prompts.get(SCRIPT).render(VARIABLES), CALLS)]
    middle, slowest = median(rendering), quantiles(rendering, n=100)[98]
    (text,) = (each.content.template_text for each in read_folder(FOLDER).stored if each.name == SCRIPT)
    compiling = median(_timed(lambda: compile_template(text), COMPILED))
    return Row(
        "a prompt on the caller's thread: get(); get() and render() of the longest seed with a page of text",
        f"get p50 {getting:.2f} µs; with render p50 {middle:.1f} µs, p99 {slowest:.0f} µs; "
        f"compiled at each call instead {times(compiling / middle, 0)}",
        f"≤ {GET_GOAL:.0f} µs; ≤ {RENDER_GOAL:.0f} µs, ≤ {SLOWEST_GOAL:.0f} µs",
        getting <= GET_GOAL and middle <= RENDER_GOAL and slowest <= SLOWEST_GOAL,
        {"get_us": getting, "render_us": middle, "render_p99_us": slowest, "compile_us": compiling},
    )


def _snapshots() -> Row:
    (seed,) = (each for each in read_folder(FOLDER).stored if each.name == SCRIPT)
    whole = [_copy(seed, at, "") for at in range(PROMPTS)]
    started, used = time.perf_counter(), time.process_time()
    snapshot = Snapshot.build(whole)
    cold, used = time.perf_counter() - started, time.process_time() - used
    swaps = []
    for turn in range(5):
        whole[turn] = _copy(seed, turn, " changed")
        started = time.perf_counter()
        snapshot = Snapshot.build(whole, previous=snapshot)
        swaps.append((time.perf_counter() - started) * 1e3)
    swap = median(swaps)
    return Row(
        f"a snapshot of {PROMPTS} prompts, each as long as the longest seed: built, and built again with one changed",
        f"{cold:.2f} s, {used:.2f} s of CPU; {swap:.1f} ms",
        f"≤ {COLD_GOAL:.0f} s; ≤ {SWAP_GOAL:.0f} ms",
        cold <= COLD_GOAL and swap <= SWAP_GOAL,
        {"cold_seconds": cold, "cold_cpu_seconds": used, "swap_ms": swap},
    )


def _copy(seed: Stored, at: int, change: str) -> Stored:
    content = Content(
        template_text=f"{at}{change}\n{seed.content.template_text}", variables=seed.content.variables
    )
    return Stored(name=f"prompt/{at}", version=1, content=content, sha256=content.sha256)


def _timed(call: Callable[[], object], number: int) -> list[float]:
    """Microseconds of each call."""
    timings = []
    for _ in range(number + WARM_UP if number > WARM_UP else number):
        started = time.perf_counter_ns()
        call()
        timings.append((time.perf_counter_ns() - started) / 1e3)
    return timings[-number:]


if __name__ == "__main__":
    show(list(measure()), Console(highlight=False))
