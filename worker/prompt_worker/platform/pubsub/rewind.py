"""Seeks of a subscription within what Pub/Sub retains, to a time or to a snapshot, and snapshots.

Safe, because writes are idempotent: a message delivered again is a duplicate and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from google.api_core.exceptions import AlreadyExists, GoogleAPIError, NotFound
from google.cloud.pubsub_v1 import SubscriberClient

from prompt_worker.platform.failures import Failure
from prompt_worker.platform.pubsub.asking import PATIENCE, unanswered
from prompt_worker.platform.pubsub.topology import RETENTION, Topology

# The label that holds the Unix second: Pub/Sub itself only reports when a snapshot expires.
_CREATED = "created"
_EARLIEST = datetime(1970, 1, 3, tzinfo=UTC)
_EXAMPLES = "such as 2026-11-23T08:00:00Z or 2026-11-23T10:00:00+02:00"


class SeekError(Failure, ValueError):
    """A seek or snapshot that cannot be done. Says what to do."""

    exit_code = 64


@dataclass(frozen=True)
class Retained:
    """What a seek of a subscription finds: messages of `topic` that were published at `since` or later."""

    topic: str
    since: datetime


@dataclass(frozen=True)
class Snapshot:
    """`created` is known for those that `prompt-worker snapshot` made."""

    name: str
    topic: str
    created: datetime | None
    expires: datetime


def parse_time(text: str) -> datetime:
    """Reads RFC 3339 with an offset, in the past. Raises `SeekError`."""
    try:
        time = datetime.fromisoformat(text)
        # Pub/Sub counts from 1970 on. Two days more, and no offset leads out of what a time can be.
        known = time.replace(tzinfo=UTC) > _EARLIEST
    except ValueError:
        known = False
    if not known:
        raise SeekError(f"--to {text}: not a time. Give one {_EXAMPLES}")
    if time.tzinfo is None:
        raise SeekError(f"--to {text}: a time without an offset is ambiguous. Give one {_EXAMPLES}")
    if time > datetime.now(UTC):
        raise SeekError(f"--to {text} is in the future: that would drop every waiting message")
    return time.astimezone(UTC)


class Rewind:
    """Seeks and snapshots in a project. Everything here raises `DeploymentError` where Pub/Sub refuses."""

    def __init__(self, client: SubscriberClient, topology: Topology) -> None:
        self._client = client
        self._topology = topology

    def retained(self, subscription: str) -> Retained:
        """Raises `SeekError` where there is no such subscription."""
        with self._explained(subscription):
            found = self._client.get_subscription(subscription=self._path(subscription), **PATIENCE)
        kept: timedelta = found.topic_message_retention_duration or RETENTION
        if found.retain_acked_messages:
            kept = max(kept, found.message_retention_duration)
        return Retained(_last(found.topic), datetime.now(UTC) - kept)

    def seek(self, subscription: str, target: datetime | Snapshot) -> None:
        """Redelivers every message published since, and drops older ones that are still waiting."""
        where = (
            {"snapshot": self._snapshot_path(target.name)}
            if isinstance(target, Snapshot)
            else {"time": target}
        )
        with self._explained(subscription):
            self._client.seek(request={"subscription": self._path(subscription), **where}, **PATIENCE)

    def create(self, subscription: str, name: str) -> None:
        """Makes a snapshot, for which Pub/Sub keeps waiting and later messages for a week at most."""
        labels = {_CREATED: str(int(datetime.now(UTC).timestamp()))}
        request = {
            "name": self._snapshot_path(name),
            "subscription": self._path(subscription),
            "labels": labels,
        }
        with self._explained(subscription):
            try:
                self._client.create_snapshot(request=request, **PATIENCE)
            except AlreadyExists:
                raise SeekError(f"a snapshot {name} exists already: give another --name") from None

    def snapshots(self) -> list[Snapshot]:
        """All of the project, the newest first."""
        with self._explained(""):
            found = list(
                self._client.list_snapshots(project=f"projects/{self._topology.project}", **PATIENCE)
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
        """The one of that name. Raises `SeekError`."""
        snapshots = self.snapshots()
        for found in snapshots:
            if found.name == name:
                return found
        names = (
            ", ".join(found.name for found in snapshots) or "none; 'prompt-worker snapshot create' makes one"
        )
        raise SeekError(f"no snapshot {name} in project {self._topology.project}; snapshots: {names}")

    def delete(self, name: str) -> None:
        """Raises `SeekError` where there is none of that name."""
        self.snapshot(name)
        with self._explained(""):
            self._client.delete_snapshot(snapshot=self._snapshot_path(name), **PATIENCE)

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
                f"no subscription {subscription} in project {self._topology.project}; 'prompt-worker topics' creates "
                f"{names.writer}, {names.guardrails}, {names.feedback} and {names.dead_letter_store}"
            ) from None
        except GoogleAPIError as error:
            needs = (
                "Seeking needs roles/pubsub.subscriber and roles/pubsub.viewer on the subscription, and a snapshot the "
                "permissions pubsub.snapshots.* on the project."
            )
            raise unanswered(error, self._topology.project, needs) from error


def _last(path: str) -> str:
    return path.rpartition("/")[2]
