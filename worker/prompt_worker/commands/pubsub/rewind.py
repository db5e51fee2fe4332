"""What seek and snapshot have in common: the broker's subscriptions as the settings name them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prompt_worker.platform.pubsub.rewind import Rewind
    from prompt_worker.platform.pubsub.topology import Topology

SUBSCRIPTION = "the subscription's name, such as prompt-executions-writer"


@contextmanager
def open_rewind() -> Iterator[tuple[Rewind, Topology]]:
    """Raises `SettingsError`."""
    from google.cloud.pubsub_v1 import SubscriberClient

    from prompt_worker.platform.pubsub.rewind import Rewind
    from prompt_worker.platform.pubsub.topology import read_topology
    from prompt_worker.platform.settings import Environment

    environment = Environment()
    topology = read_topology(environment)
    environment.check()
    with SubscriberClient() as subscriber:
        yield Rewind(subscriber, topology), topology
