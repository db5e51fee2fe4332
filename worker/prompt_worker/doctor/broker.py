"""Checks of Pub/Sub: its settings, the topics and subscriptions as declared, and what the account that asks may do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import google.auth
from google.api_core.exceptions import Forbidden, GoogleAPIError, NotFound
from google.auth.credentials import Credentials
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.types import Subscription

from prompt_schema.verify import Check
from prompt_worker.doctor.rights import (
    TIMEOUT,
    Worker,
    caller,
    examine_needs,
    needs_of_operator,
    needs_of_worker,
    unexamined_workers,
)
from prompt_worker.platform.failures import SettingsError
from prompt_worker.platform.pubsub.reconciling import differences
from prompt_worker.platform.pubsub.topology import Topology, read_topology
from prompt_worker.platform.settings import Environment

_SCOPE = "https://www.googleapis.com/auth/pubsub"


def examine_broker(worker: Worker | None = None) -> Iterator[Check]:
    """For a `worker`, which may not read how topics are set up, what it may do alone. The emulator has no rights."""
    environment = Environment()
    topology = read_topology(environment)
    try:
        environment.check()
    except SettingsError as error:
        yield Check("Pub/Sub settings", False, str(error))
        return
    yield Check("Pub/Sub settings", True, "")
    # The clients' own, to know whose they are.
    credentials = None if topology.emulated else google.auth.default(scopes=[_SCOPE])[0]
    with (
        PublisherClient(credentials=credentials) as publisher,
        SubscriberClient(credentials=credentials) as subscriber,
    ):
        if worker is None:
            yield from _examine_topology(topology, publisher, subscriber, credentials)
        if topology.emulated:
            return
        needs = needs_of_worker(worker, topology) if worker else needs_of_operator(topology)
        yield from examine_needs(needs, publisher, subscriber, credentials)
        if worker is None:
            yield unexamined_workers(credentials)


def _examine_topology(
    topology: Topology,
    publisher: PublisherClient,
    subscriber: SubscriberClient,
    credentials: Credentials | None,
) -> Iterator[Check]:
    for topic in topology.topics():
        question = partial(publisher.get_topic, topic=topic.name, timeout=TIMEOUT, retry=None)
        yield _check(f"topic {topic.name}", question, credentials)
    for declared in topology.subscriptions():
        question = partial(_differences, declared, subscriber)
        yield _check(f"subscription {declared.name}", question, credentials)


def _differences(declared: Subscription, subscriber: SubscriberClient) -> list[str]:
    return differences(
        declared, subscriber.get_subscription(subscription=declared.name, timeout=TIMEOUT, retry=None)
    )


def _check(name: str, question: Callable[[], object], credentials: Credentials | None) -> Check:
    """Whether `question` is answered. An answer that is a list holds the fields that are not as declared."""
    try:
        answer = question()
    except NotFound:
        return Check(name, False, "missing: run 'prompt-worker topics'")
    except Forbidden:
        return Check(name, False, f"{caller(credentials)} may not read it: grant roles/pubsub.viewer on it")
    except GoogleAPIError as error:
        return Check(
            name,
            False,
            f"no answer: {type(error).__name__}. Are PUBSUB_EMULATOR_HOST and the credentials right?",
        )
    if isinstance(answer, list) and answer:
        return Check(name, False, f"{', '.join(answer)} not as declared: run 'prompt-worker topics'")
    return Check(name, True, "")
