"""`prompt-worker serve`: the service put together from its settings, and stopped by a signal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import uvloop
from google.cloud.pubsub_v1 import PublisherClient
from msgspec.structs import replace

from prompt_worker.consuming.consumer import Consumer
from prompt_worker.consuming.folding import folding
from prompt_worker.consuming.push.app import App
from prompt_worker.consuming.push.inbox import Inbox
from prompt_worker.consuming.push.settings import PushSettings, TokenSettings
from prompt_worker.consuming.work import Parts, Work, make_consumer
from prompt_worker.platform.postgres.engine import connect
from prompt_worker.platform.postgres.readiness import Readiness
from prompt_worker.platform.process import heap
from prompt_worker.platform.process.pages import serving
from prompt_worker.platform.process.probes import probes
from prompt_worker.platform.process.signals import run_until_signal
from prompt_worker.platform.pubsub.topology import read_topology
from prompt_worker.platform.settings import (
    ConsumerSettings,
    DatabaseSettings,
    Environment,
    ProbeSettings,
    PubSubSettings,
)
from prompt_worker.platform.telemetry.export import TelemetrySettings, exporting, metrics_listener
from prompt_worker.platform.web.keys import SigningKeys
from prompt_worker.platform.web.server import Server, listen
from prompt_worker.platform.web.tokens import Advice, Tokens

# Between checks of whether anything ended.
CHECK_SECONDS = 0.1
# For the requests in flight, before their consumers have to stop.
DRAIN_SECONDS = 1.0
# For the last answers to be sent.
ANSWER_SECONDS = 0.5
ADVICE = Advice(
    anonymous="no token: let the push subscription authenticate as a service account",
    other_audience="the token is for another audience: "
    "is PROMPT_WORKER_PUSH_AUDIENCE that of the push subscription?",
    other_account="the token is not of PROMPT_WORKER_PUSH_SERVICE_ACCOUNT: "
    "is it the account that the push subscription authenticates as?",
)


def serve(works_of: Sequence[Callable[[Environment], Work]], name: str) -> None:
    """Handles pushed messages until a signal comes: each work on its own path, in a process called `name`.

    Raises `SettingsError`, `DeploymentError`, `BreakerError`.
    """
    heap.share_one()
    environment = Environment()
    works = [work_of(environment) for work_of in works_of]
    database = environment.read(DatabaseSettings)
    push = environment.read(PushSettings)
    settings = replace(environment.read(ConsumerSettings), batch_seconds=push.batch_seconds)
    probing = environment.read(ProbeSettings)
    telemetry = environment.read(TelemetrySettings)
    sender = _read_sender(environment, push)
    topology = read_topology(environment)
    environment.check()

    loop = uvloop.new_event_loop()
    asked, stop = threading.Event(), threading.Event()
    inboxes: dict[str, Inbox] = {}
    consumers: list[Consumer] = []
    with ExitStack() as opened:
        listening = opened.enter_context(listen(push.port))
        metrics = opened.enter_context(exporting(telemetry, name))
        pages = dict(probes(probing, Readiness(database.url).problem))
        if telemetry.metrics_port == push.port:
            pages |= metrics
        else:
            opened.enter_context(serving(metrics_listener(telemetry, metrics)))
        publisher = opened.enter_context(PublisherClient())
        for work in works:
            engine = connect(
                database.url,
                application_name=f"prompt-worker serve {work.name}",
                pool_size=settings.lanes + 1,
            )
            opened.callback(engine.dispose)
            if work.counts:
                opened.enter_context(folding(engine))
            parts = Parts(engine, publisher, topology, stop)
            inbox = inboxes[f"/push/{work.name}"] = Inbox(loop)
            path = topology.subscription_path(work.subscription_of(topology.names))
            consumers.append(make_consumer(inbox, work.make_handler(parts), parts, settings, path))
        app = App(inboxes, _tokens(sender), pages, push)
        server = Server(app, listening, loop, beside=app.give_up_overdue)
        heap.settle()
        run_until_signal(lambda: _run(server, consumers, asked, stop), asked)
        for failure in (server.failure, *(consumer.failure for consumer in consumers)):
            if failure:
                raise failure


def _run(
    server: Server, consumers: Sequence[Consumer], asked: threading.Event, stop: threading.Event
) -> None:
    """Runs until `asked` to end or one of them fails, then stops in order: every request is answered."""
    consuming = [threading.Thread(target=consumer.run, name="consumer") for consumer in consumers]
    for thread in (*consuming, server):
        thread.start()
    while server.is_alive() and not stop.is_set() and not asked.wait(CHECK_SECONDS):
        pass
    server.end()
    if not stop.is_set():
        server.join(DRAIN_SECONDS)
    stop.set()
    for thread in consuming:
        thread.join()
    server.join(ANSWER_SECONDS)


def _read_sender(environment: Environment, push: PushSettings) -> TokenSettings | None:
    if not push.without_token:
        return environment.read(TokenSettings)
    if not environment.read(PubSubSettings).emulator_host:
        environment.complain(
            "PROMPT_WORKER_PUSH_WITHOUT_TOKEN is for the emulator, and PUBSUB_EMULATOR_HOST is not set"
        )
    return None


def _tokens(sender: TokenSettings | None) -> Tokens | None:
    if sender is None:
        return None
    return Tokens(
        SigningKeys(sender.keys_url),
        audience=sender.audience,
        accounts=[sender.service_account],
        advice=ADVICE,
    )
