"""`prompt-worker topics`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_command


def add(commands: Commands) -> None:
    add_command(
        commands,
        "topics",
        _topics,
        "create topics and subscriptions, and update their policies",
        details="It deletes nothing, and prints what it did to each.",
    )


def _topics(_: argparse.Namespace) -> int:
    from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient

    from prompt_worker.platform.pubsub.reconciling import reconcile
    from prompt_worker.platform.pubsub.topology import read_topology
    from prompt_worker.platform.settings import Environment

    environment = Environment()
    topology = read_topology(environment)
    environment.check()
    with PublisherClient() as publisher, SubscriberClient() as subscriber:
        for change in reconcile(topology, publisher, subscriber):
            print(f"{change.path}: {change.action}")
    return 0
