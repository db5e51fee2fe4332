"""What the programs need of Pub/Sub, and whether the account that asks may do it.

Pub/Sub answers that for the caller alone: what other accounts may do is not visible, whatever this one may.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from google.api_core.exceptions import GoogleAPIError
from google.auth.credentials import Credentials
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient

from prompt_schema.verify import Check
from prompt_worker.platform.pubsub.topology import Topology

Worker = Literal["executions", "guardrails", "feedback", "dead-letters"]

# Seconds for one question to Pub/Sub.
TIMEOUT = 5.0
_PUBLISH, _CONSUME = "pubsub.topics.publish", "pubsub.subscriptions.consume"
_VERBS = {_PUBLISH: "publish to", _CONSUME: "consume"}
_ROLES = {_PUBLISH: "roles/pubsub.publisher", _CONSUME: "roles/pubsub.subscriber"}


class Need(NamedTuple):
    """A permission on a topic or a subscription, by its full name; `purpose` says what fails without it."""

    path: str
    permission: str
    purpose: str


def needs_of_worker(worker: Worker, topology: Topology) -> list[Need]:
    """All that the worker asks Pub/Sub for."""
    names = topology.names
    subscription = {
        "executions": names.writer,
        "guardrails": names.guardrails,
        "feedback": names.feedback,
        "dead-letters": names.dead_letter_store,
    }[worker]
    needs = [Need(topology.subscription_path(subscription), _CONSUME, "to pull events")]
    if worker != "dead-letters":
        needs.append(Need(topology.topic_path(names.dead_letter_topic), _PUBLISH, "to reject events"))
    if worker == "guardrails":
        needs.append(Need(topology.topic_path(names.violations_topic), _PUBLISH, "to announce violations"))
    return needs


def needs_of_operator(topology: Topology) -> list[Need]:
    """What the commands of an operator need, but for snapshots: those are rights of the project."""
    names = topology.names
    return [
        *(
            Need(topology.topic_path(name), _PUBLISH, "for 'dead-letters replay'")
            for name in (names.topic, names.feedback_topic)
        ),
        *(
            Need(topology.subscription_path(name), _CONSUME, "for 'seek' and 'snapshot create'")
            for name in (names.writer, names.guardrails, names.feedback, names.dead_letter_store)
        ),
    ]


def examine_needs(
    needs: Sequence[Need],
    publisher: PublisherClient,
    subscriber: SubscriberClient,
    credentials: Credentials | None,
) -> Iterator[Check]:
    """A check for each, about the account of `credentials`, with which the clients ask."""
    for path, permission, purpose in needs:
        client = publisher if permission == _PUBLISH else subscriber
        request = {"resource": path, "permissions": [permission]}
        try:
            answer = client.test_iam_permissions(request=request, timeout=TIMEOUT, retry=None)
        except GoogleAPIError as error:
            granted, hint = False, f"not known, Pub/Sub does not answer: {type(error).__name__}"
        else:
            granted = permission in answer.permissions
            hint = f"no, or it does not exist: grant {_ROLES[permission]} on it, {purpose}"
        yield Check(f"{caller(credentials)} may {_VERBS[permission]} {path}", granted, hint)


def unexamined_workers(credentials: Credentials | None) -> Check:
    """What the doctor of a deployment cannot see, and how to see it."""
    return Check(
        "what the workers may do",
        True,
        f"not checked: Pub/Sub answers for {caller(credentials)} alone. Run 'prompt-worker doctor executions', "
        "'doctor guardrails', 'doctor feedback' and 'doctor dead-letters', each as the account and with the login of "
        "that worker",
        warning=True,
    )


def caller(credentials: Credentials | None) -> str:
    """Whose rights Pub/Sub answers for; with the name where the credentials have one."""
    name = getattr(credentials, "service_account_email", None) or getattr(credentials, "account", None)
    # A metadata server's credentials have this word for a name until they are used.
    return f"this account ({name})" if name and name != "default" else "this account"
