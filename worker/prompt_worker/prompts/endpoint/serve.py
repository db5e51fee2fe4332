"""`prompt-worker serve registry`: the endpoint put together from its settings, and stopped by a signal."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack

import uvloop

from prompt_worker.platform import telemetry
from prompt_worker.platform.process import heap
from prompt_worker.platform.process.files import allow_files
from prompt_worker.platform.process.pages import serving
from prompt_worker.platform.process.probes import probes
from prompt_worker.platform.process.signals import run_until_signal
from prompt_worker.platform.settings import DatabaseSettings, Environment, ProbeSettings
from prompt_worker.platform.telemetry.export import TelemetrySettings, exporting, metrics_listener
from prompt_worker.platform.web.keys import SigningKeys
from prompt_worker.platform.web.server import Server, listen
from prompt_worker.platform.web.tokens import Advice, Tokens
from prompt_worker.prompts.endpoint.app import App
from prompt_worker.prompts.endpoint.edition import Edition
from prompt_worker.prompts.endpoint.editions import Editions
from prompt_worker.prompts.endpoint.narrowing import Labels
from prompt_worker.prompts.endpoint.settings import EndpointSettings, ReaderSettings
from prompt_worker.prompts.endpoint.shelf import Shelf
from prompt_worker.prompts.registry.refresher import Refresher
from prompt_worker.prompts.registry.sources.database import DatabaseSource

NAME = "registry"
# Between checks of whether anything ended.
CHECK_SECONDS = 0.1
# For the last answers to be sent.
ANSWER_SECONDS = 3.0
# Beside the clients: the database, the log, the program's own.
OTHER_FILES = 256
ADVICE = Advice(
    anonymous="no token: let the service authenticate as a service account of Google's",
    other_audience="the token is for another audience: is PROMPT_WORKER_REGISTRY_AUDIENCE the address that the "
    "service reads from?",
    other_account="the token is of an account that PROMPT_WORKER_REGISTRY_READERS does not name",
)


def serve() -> None:
    """Answers until a signal comes. Raises `SettingsError` and `DeploymentError`."""
    heap.share_one()
    environment = Environment()
    database = environment.read(DatabaseSettings)
    settings = environment.read(EndpointSettings)
    readers = _read_readers(environment, settings)
    probing = environment.read(ProbeSettings)
    exported = environment.read(TelemetrySettings)
    environment.check()

    allow_files(settings.clients + OTHER_FILES)
    loop = uvloop.new_event_loop()
    shelf = Shelf()
    views = {labels: Shelf() for labels in readers.narrowed.values()} if readers is not None else {}
    shelves = [shelf, *views.values()]
    asked = threading.Event()
    with ExitStack() as opened:
        source = DatabaseSource(database.url, "DATABASE_URL")
        listening = opened.enter_context(listen(settings.port))
        metrics = opened.enter_context(exporting(exported, NAME))
        pages = dict(probes(probing, lambda: _problem(shelf)))
        if exported.metrics_port == settings.port:
            pages |= metrics
        else:
            opened.enter_context(serving(metrics_listener(exported, metrics)))
        telemetry.watch("registry_clients", lambda: sum(map(len, shelves)))
        telemetry.watch("prompt_registry_age", lambda: shelf.age_seconds)

        def replacing(shelf: Shelf) -> Callable[[Edition], object]:
            return lambda edition: loop.call_soon_threadsafe(shelf.replace, edition)

        def checked() -> None:
            for each in shelves:
                each.checked_at = time.monotonic()

        async def answer_overdue() -> None:
            await asyncio.gather(*(each.answer_overdue() for each in shelves))

        editions = Editions(
            replace=replacing(shelf),
            checked=checked,
            narrowed={labels: replacing(each) for labels, each in views.items()},
        )
        following = Refresher(source, editions)
        app = App(shelf, _tokens(readers), pages, _shelves(readers, views))
        server = Server(app, listening, loop, beside=answer_overdue, connections=settings.clients)
        heap.settle()

        def end() -> None:
            server.end()
            for each in shelves:
                loop.call_soon_threadsafe(each.close)

        run_until_signal(lambda: _run(server, following, asked, end), asked)
        if server.failure:
            raise server.failure


def _run(server: Server, following: Refresher, asked: threading.Event, end: Callable[[], None]) -> None:
    """Runs until `asked` to end or the server fails; then every client that waits is answered."""
    server.start()
    while server.is_alive() and not asked.wait(CHECK_SECONDS):
        # Whatever ended it.
        following.ensure()
    end()
    following.close()
    server.join(ANSWER_SECONDS)


def _problem(shelf: Shelf) -> str | None:
    """With a document it can do its work, however long the database is down."""
    return None if shelf.edition else "the registry could not be read yet: the log says why"


def _read_readers(environment: Environment, settings: EndpointSettings) -> ReaderSettings | None:
    if not settings.without_token:
        readers = environment.read(ReaderSettings)
        for problem in readers.problems():
            environment.complain(problem)
        return readers
    if not settings.emulator_host:
        environment.complain(
            "PROMPT_WORKER_REGISTRY_WITHOUT_TOKEN is for tests beside the emulator, and PUBSUB_EMULATOR_HOST is not set"
        )
    return None


def _shelves(readers: ReaderSettings | None, views: Mapping[Labels, Shelf]) -> dict[str, Shelf]:
    """By account: of those that are restricted to labels."""
    return {} if readers is None else {account: views[each] for account, each in readers.narrowed.items()}


def _tokens(readers: ReaderSettings | None) -> Tokens | None:
    if readers is None:
        return None
    return Tokens(
        SigningKeys(readers.keys_url), audience=readers.audience, accounts=readers.accounts, advice=ADVICE
    )
