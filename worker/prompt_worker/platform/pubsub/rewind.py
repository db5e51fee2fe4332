"""Going back in what Pub/Sub retains: a subscription's seek, to a time or to a snapshot, and snapshots.

Safe, because writes are idempotent: what comes again is a duplicate and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from google.api_core.exceptions import AlreadyExists, GoogleAPIError, NotFound
from google.cloud.pubsub_v1 import SubscriberClient

from prompt_worker.platform.failures import DeploymentError, Failure
from prompt_worker.platform.pubsub.topology import RETENTION, Topology

TIMEOUT = 10.0  # seconds for one question to the broker
_CREATED = "created"  # the label that holds the Unix second: Pub/Sub itself tells only when a snapshot ends
_FORM = "such as 2026-11-23T08:00:00Z or 2026-11-23T10:00:00+02:00"


class SeekError(Failure, ValueError):
    """What was asked for cannot be done. Says what to do."""

    exit_code = 64


@dataclass(frozen=True)
class Source:
    """The topic of a subscription, and the publish time before which a seek finds nothing."""

    topic: str
    begins: datetime


@dataclass(frozen=True)
class Snapshot:
    """`created` is known of those that `prompt-worker snapshot` made."""

    name: str
    topic: str
    created: datetime | None
    expires: datetime


def parse_time(text: str) -> datetime:
    """RFC 3339 with an offset, in the past. Raises `SeekError`."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise SeekError(f"--to {text}: not a time. Give one {_FORM}") from None
    if time.tzinfo is None:
        raise SeekError(
            f"--to {text}: without an offset it is not clear which moment is meant. Give one {_FORM}"
        )
    if time > datetime.now(UTC):
        raise SeekError(f"--to {text} is in the future: that would drop every message that waits")
    return time.astimezone(UTC)


class Retention:
    """The subscriptions and snapshots of a project. Raises `DeploymentError` where Pub/Sub refuses."""

    def __init__(self, client: SubscriberClient, topology: Topology) -> None:
        self._client = client
        self._topology = topology

    def source(self, subscription: str) -> Source:
        with self._explained(subscription):
            found = self._client.get_subscription(subscription=self._path(subscription), timeout=TIMEOUT)
        kept: timedelta = found.topic_message_retention_duration or RETENTION
        if found.retain_acked_messages:
            kept = max(kept, found.message_retention_duration)
        return Source(_last(found.topic), datetime.now(UTC) - kept)

    def seek(self, subscription: str, target: datetime | Snapshot) -> None:
        """Everything published since is delivered again; what waits from before is dropped."""
        where = (
            {"snapshot": self._snapshot_path(target.name)}
            if isinstance(target, Snapshot)
            else {"time": target}
        )
        with self._explained(subscription):
            self._client.seek(request={"subscription": self._path(subscription), **where}, timeout=TIMEOUT)

    def create(self, subscription: str, name: str) -> None:
        """Holds what waits now and what comes, for a week at most."""
        labels = {_CREATED: str(int(datetime.now(UTC).timestamp()))}
        request = {
            "name": self._snapshot_path(name),
            "subscription": self._path(subscription),
            "labels": labels,
        }
        with self._explained(subscription):
            try:
                self._client.create_snapshot(request=request, timeout=TIMEOUT)
            except AlreadyExists:
                raise SeekError(f"there is a snapshot {name} already: give another --name") from None

    def snapshots(self) -> list[Snapshot]:
        """The newest first."""
        with self._explained(""):
            found = list(
                self._client.list_snapshots(project=f"projects/{self._topology.project}", timeout=TIMEOUT)
            )
        snapshots = [
            Snapshot(
                _last(one.name),
                _last(one.topic),
                datetime.fromtimestamp(int(one.labels[_CREATED]), UTC) if _CREATED in one.labels else None,
                one.expire_time,
            )
            for one in found
        ]
        return sorted(snapshots, key=lambda one: (one.created or one.expires, one.name), reverse=True)

    def snapshot(self, name: str) -> Snapshot:
        """Raises `SeekError`."""
        there = self.snapshots()
        for found in there:
            if found.name == name:
                return found
        names = ", ".join(found.name for found in there) or "none; 'prompt-worker snapshot create' makes one"
        raise SeekError(f"no snapshot {name} in project {self._topology.project}; there are: {names}")

    def delete(self, name: str) -> None:
        self.snapshot(name)
        with self._explained(""):
            self._client.delete_snapshot(snapshot=self._snapshot_path(name), timeout=TIMEOUT)

    def _path(self, subscription: str) -> str:
        return subscription if "/" in subscription else self._topology.subscription_path(subscription)

    def _snapshot_path(self, name: str) -> str:
        return f"projects/{self._topology.project}/snapshots/{name}"

    @contextmanager
    def _explained(self, subscription: str) -> Iterator[None]:
        try:
            yield
        except NotFound:
            names = self._topology.names
            raise SeekError(
                f"no subscription {subscription} in project {self._topology.project}; 'prompt-worker topics' makes "
                f"{names.writer}, {names.guardrails} and {names.dead_letter_store}"
            ) from None
        except GoogleAPIError as error:
            why = getattr(error, "message", type(error).__name__)
            raise DeploymentError(
                f"Pub/Sub in project {self._topology.project} refuses: {why}. "
                "Seeking and snapshots need roles/pubsub.editor."
            ) from error


def _last(path: str) -> str:
    return path.rpartition("/")[2]
