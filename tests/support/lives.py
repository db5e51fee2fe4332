"""Services that never close their publishers: `python -m tests.support.lives NAME PROJECT SPOOL` lives and ends one.

Nothing here imports gRPC: a short script ends while the publisher's thread does. In each process that publishes there
are two publishers, one with a spool and one without. Printed is a line for each event: the publisher, and its id.
"""

from __future__ import annotations

import asyncio
import atexit
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import billiard

from prompt_worker import ExecutionEvent, Publisher

_EVENTS = 2
_CHILDREN = 2
# Longer than a main thread that has nothing to do needs to end.
_LATER_SECONDS = 0.3

_publishers: dict[str, Publisher] = {}


def make() -> None:
    """The publishers of this process, and of those that it forks."""
    project, folder = sys.argv[2:]
    _publishers.update(spool=Publisher(project, spool=folder), none=Publisher(project))


def publish() -> None:
    for name, publisher in _publishers.items():
        for _ in range(_EVENTS):
            event = ExecutionEvent(
                template_name="t",
                template_version=1,
                rendered_prompt="r",
                status="success",
                input_variables={},
            )
            publisher.publish(event)
            # Before anybody can end the process; short enough to be written as a whole.
            os.write(1, f"{name} {event.event_id}\n".encode())


def make_and_publish() -> None:
    make()
    publish()


def publish_later() -> None:
    time.sleep(_LATER_SECONDS)
    publish()


def task(_: int) -> None:
    publish()


def plain_script() -> None:
    make_and_publish()


def thread_that_outlives_the_main_one() -> None:
    make()
    threading.Thread(target=publish_later).start()


def executor_that_nobody_shuts_down() -> None:
    make()
    executor = ThreadPoolExecutor(2)
    for _ in range(2):
        executor.submit(publish_later)


def event_at_exit() -> None:
    make()
    atexit.register(publish)


def asyncio_tasks() -> None:
    async def run() -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(3):
                tasks.create_task(publish_soon())

    async def publish_soon() -> None:
        await asyncio.sleep(0)
        publish()

    make()
    asyncio.run(run())


def fork() -> None:
    """Publishers made before it, and used on both sides of it."""
    make_and_publish()
    _processes("fork", publish)
    publish()


def publishers_made_in_a_fork() -> None:
    _processes("fork", make_and_publish)


def forkserver() -> None:
    _processes("forkserver", make_and_publish)


def spawn() -> None:
    _processes("spawn", make_and_publish)


def process_pool_executor() -> None:
    with ProcessPoolExecutor(_CHILDREN, initializer=make) as executor:
        list(executor.map(task, range(4)))


def preloaded_server() -> None:
    """As gunicorn with `--preload`: workers are forked, and end by SystemExit."""
    make()
    _forked(publish for _ in range(_CHILDREN))


def preloaded_server_that_published() -> None:
    make_and_publish()
    _forked(publish for _ in range(_CHILDREN))


def celery_worker_process() -> None:
    """As Celery's prefork: its processes end by os._exit, without the finalizers of multiprocessing."""
    make()
    _in_billiard_pool()


def publishers_made_in_a_celery_worker_process() -> None:
    _in_billiard_pool(initializer=make)


def billiard_process() -> None:
    process = billiard.Process(target=make_and_publish)
    process.start()
    process.join()


def _in_billiard_pool(**options: Callable[[], None]) -> None:
    pool = billiard.Pool(_CHILDREN, **options)
    pool.map(task, range(4))
    pool.close()
    pool.join()


def _processes(method: str, target: Callable[[], None]) -> None:
    context = multiprocessing.get_context(method)
    processes = [context.Process(target=target) for _ in range(_CHILDREN)]  # type: ignore[attr-defined]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


def _forked(workers: Iterable[Callable[[], None]]) -> None:
    children = []
    for worker in workers:
        child = os.fork()
        if child == 0:
            worker()
            sys.exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


LIVES: dict[str, Callable[[], None]] = {
    life.__name__: life
    for life in (
        plain_script,
        thread_that_outlives_the_main_one,
        executor_that_nobody_shuts_down,
        event_at_exit,
        asyncio_tasks,
        fork,
        publishers_made_in_a_fork,
        forkserver,
        spawn,
        process_pool_executor,
        preloaded_server,
        preloaded_server_that_published,
        celery_worker_process,
        publishers_made_in_a_celery_worker_process,
        billiard_process,
    )
}

if __name__ == "__main__":
    LIVES[sys.argv[1]]()
