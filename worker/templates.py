"""Which template an event belongs to: by its id, or by the name and version that were served."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from psycopg2.extensions import cursor

from worker.event import ReceivedEvent
from worker.sql import statement

Key = UUID | tuple[str, int]

_FIND = statement("find_templates")


class Templates:
    """Remembers the templates found, never the ones missing: one may be created while its events wait."""

    def __init__(self) -> None:
        self._known: dict[Key, UUID] = {}

    def unknown(self, events: Sequence[ReceivedEvent]) -> set[Key]:
        return {key for event in events if (key := key_of(event)) not in self._known}

    def find(self, keys: set[Key], cursor: cursor) -> None:
        """Looks these up."""
        names = [key for key in keys if isinstance(key, tuple)]
        cursor.execute(
            _FIND,
            {
                "ids": [str(key) for key in keys if isinstance(key, UUID)],
                "names": [name for name, _ in names],
                "versions": [version for _, version in names],
            },
        )
        for template_id, name, version in cursor:
            self._known[template_id] = self._known[name, version] = template_id

    def get(self, event: ReceivedEvent) -> UUID | None:
        return self._known.get(key_of(event))

    def forget(self) -> None:
        """After a template turned out to be gone."""
        self._known.clear()


def key_of(event: ReceivedEvent) -> Key:
    return event.template_id or (event.template_name, event.template_version)
