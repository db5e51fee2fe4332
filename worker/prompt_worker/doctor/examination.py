"""`prompt-worker doctor`: is this deployment sound? One check a line, each with what to do when it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import cast

import psycopg2
from google.api_core.exceptions import GoogleAPICallError, NotFound
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.types import Subscription
from psycopg2.extensions import cursor
from sqlalchemy import Engine

from prompt_schema.verify import Check, verify
from prompt_worker.platform.failures import SettingsError
from prompt_worker.platform.postgres.engine import connect
from prompt_worker.platform.postgres.errors import describe
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.platform.pubsub.topology import Topology, differences, read_topology
from prompt_worker.platform.settings import DatabaseSettings, Environment, read

TIMEOUT = 5.0  # seconds for one question to the broker
OLDEST_VERSION = 150000

_HEALTH = statement(__name__, "database_health")


def examine() -> Iterator[Check]:
    """Settings, database, schema, topics, permissions, lag, in this order; what depends on a failed one is left out."""
    yield from _examine_database()
    yield from _examine_broker()


def _examine_database() -> Iterator[Check]:
    try:
        engine = connect(read(DatabaseSettings).url, application_name="prompt-worker doctor")
    except SettingsError as error:
        yield Check("database settings", False, str(error))
        return
    yield Check("database settings", True, "")
    try:
        with closing(engine.raw_connection()) as connection:
            version = connection.cursor().connection.server_version
    except psycopg2.Error as error:
        where = engine.url.host or engine.url.query.get("host")
        hint = f"no connection to {where}: {describe(error)}. Is it running, and reachable from here?"
        yield Check("database reachable", False, hint)
        return
    yield Check("database reachable", True, "")
    supported = version >= OLDEST_VERSION
    yield Check(
        "database version", supported, f"PostgreSQL {version // 10000} is too old: 15 to 18 are supported"
    )
    failed = [check for check in verify(engine, exercise=False) if not check.ok]
    yield from failed
    if not failed:
        yield Check("database schema", True, "")
        yield from _examine_guardrails(engine)
        yield from _examine_lag(engine)


def _examine_guardrails(engine: Engine) -> Iterator[Check]:
    try:
        from prompt_worker.guardrails.recording.active import compile_or_explain, find_active
    except ModuleNotFoundError as error:
        hint = f"{error.name} is not installed: pip install 'prompt-worker[guardrails]'"
        yield Check("guardrails", False, hint)
        return
    with closing(engine.raw_connection()) as connection:
        guardrails = find_active(cast(cursor, connection.cursor()))
    refused = 0
    for guardrail in guardrails:
        if isinstance(reason := compile_or_explain(guardrail), str):
            refused += 1
            yield Check(f"guardrail {guardrail.name}", False, f"not applied: {reason}")
    yield Check(f"guardrails: {len(guardrails) - refused} of {len(guardrails)} are applied", True, "")


def _examine_lag(engine: Engine) -> Iterator[Check]:
    with closing(engine.raw_connection()) as connection:
        asking = connection.cursor()
        asking.execute(_HEALTH)
        (last_seconds,) = asking.fetchone() or (None,)
    age = (
        "no execution stored yet"
        if last_seconds is None
        else f"newest stored execution is {last_seconds:.0f} s old"
    )
    yield Check(f"lag: {age}", True, "")


def _examine_broker() -> Iterator[Check]:
    environment = Environment()
    topology = read_topology(environment)
    try:
        environment.check()
    except SettingsError as error:
        yield Check("Pub/Sub settings", False, str(error))
        return
    yield Check("Pub/Sub settings", True, "")
    with PublisherClient() as publisher, SubscriberClient() as subscriber:
        for topic in topology.topics():
            yield _look(
                f"topic {topic.name}", partial(publisher.get_topic, topic=topic.name, timeout=TIMEOUT)
            )
        for wanted in topology.subscriptions():
            yield _look(f"subscription {wanted.name}", partial(_differences, wanted, subscriber))
        if not topology.emulated:
            yield from _examine_permissions(topology, publisher, subscriber)


def _differences(wanted: Subscription, subscriber: SubscriberClient) -> list[str]:
    return differences(wanted, subscriber.get_subscription(subscription=wanted.name, timeout=TIMEOUT))


def _look(name: str, question: Callable[[], object]) -> Check:
    """A list as the answer names the fields that differ from what is declared."""
    try:
        answer = question()
    except NotFound:
        return Check(name, False, "missing: run 'prompt-worker topics'")
    except GoogleAPICallError as error:
        return Check(
            name,
            False,
            f"no answer: {type(error).__name__}. Are PUBSUB_EMULATOR_HOST and the credentials right?",
        )
    if isinstance(answer, list) and answer:
        return Check(name, False, f"{', '.join(answer)} not as declared: run 'prompt-worker topics'")
    return Check(name, True, "")


def _examine_permissions(
    topology: Topology, publisher: PublisherClient, subscriber: SubscriberClient
) -> Iterator[Check]:
    needed = [
        (publisher, topology.topic_path(topology.names.dead_letter_topic), "pubsub.topics.publish"),
        (publisher, topology.topic_path(topology.names.violations_topic), "pubsub.topics.publish"),
        (subscriber, topology.subscription_path(topology.names.writer), "pubsub.subscriptions.consume"),
        (subscriber, topology.subscription_path(topology.names.guardrails), "pubsub.subscriptions.consume"),
    ]
    for client, path, permission in needed:
        request = {"resource": path, "permissions": [permission]}
        try:
            granted = permission in client.test_iam_permissions(request=request, timeout=TIMEOUT).permissions
        except GoogleAPICallError:
            granted = False
        role = "publisher" if "topics" in permission else "subscriber"
        yield Check(f"may use {path}", granted, f"grant roles/pubsub.{role} on it to this service account")
