"""Which template an event belongs to: by its id, or by its name and version."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from uuid import UUID

from psycopg2.extensions import cursor

from prompt_worker.event.execution import ReceivedEvent
from prompt_worker.platform.postgres.statements import statement

# A UUID as its integer, which hashes in C, or name and version.
Key = int | tuple[str, int]

_FIND = statement(__name__, "find_templates")


class Templates:
    """Remembers the templates found, never the ones missing: one may be created while its events wait."""

    def __init__(self) -> None:
        self._known: dict[Key, UUID] = {}

    def get(self, event: ReceivedEvent) -> UUID | None:
        return self._known.get(key_of(event))

    def find(
        self, events: Sequence[ReceivedEvent], transaction: Callable[[Callable[[cursor], None]], None]
    ) -> None:
        """Asks the database for the templates of `events`; of none, it asks nothing."""
        keys = {key_of(event) for event in events}
        if keys:
            transaction(partial(self._find, keys))

    def _find(self, keys: set[Key], cursor: cursor) -> None:
        names = [key for key in keys if isinstance(key, tuple)]
        cursor.execute(
            _FIND,
            {
                "ids": [str(UUID(int=key)) for key in keys if isinstance(key, int)],
                "names": [name for name, _ in names],
                "versions": [version for _, version in names],
            },
        )
        for template_id, name, version in cursor:
            self._known[template_id.int] = self._known[name, version] = template_id

    def forget(self) -> None:
        """Call it after a template turned out to be gone."""
        self._known.clear()


def key_of(event: ReceivedEvent) -> Key:
    return event.template_id.int if event.template_id else (event.template_name, event.template_version)


def describe_key(key: Key) -> str:
    return f"{key[0]} version {key[1]}" if isinstance(key, tuple) else f"with id {UUID(int=key)}"
