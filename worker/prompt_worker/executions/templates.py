"""Which template an event belongs to: by its id, or by its name and version."""

from __future__ import annotations

import time
from collections.abc import Callable, Set
from functools import partial
from uuid import UUID

from psycopg2.extensions import cursor

from prompt_worker.consuming.outcome import Rejected
from prompt_worker.event.execution import ReceivedEvent
from prompt_worker.platform.postgres.statements import statement

# A UUID as its integer, which hashes in C, or None; name and version.
Key = tuple[int | None, str, int]

# Seconds after which templates are looked up again: one may have been renamed, and its name given to another.
KEPT_SECONDS = 5.0

_FIND = statement(__name__, "find_templates")


class Templates:
    """Remembers the templates found, for a while; never the ones missing: one may be created while its events wait."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[Key, UUID] = {}
        self._forgotten_at = clock()

    def expire(self) -> None:
        """Call it once for each batch."""
        if self._clock() - self._forgotten_at >= KEPT_SECONDS:
            self.forget()

    def get(self, event: ReceivedEvent) -> UUID | None:
        return self._known.get(key_of(event))

    def find(
        self, keys: Set[Key], transaction: Callable[[Callable[[cursor], None]], None]
    ) -> dict[Key, UUID | Rejected]:
        """The template of each key, or why it has none. Asks the database; for no keys, it asks nothing."""
        found: dict[Key, UUID] = {}
        if keys:
            transaction(partial(_find, keys, found))
            self._known.update(found)
        ids = {template_id.int for template_id in found.values()}
        return {key: found.get(key) or _rejection(key, ids) for key in keys}

    def forget(self) -> None:
        """Call it after a template turned out to be gone."""
        self._known = {}
        self._forgotten_at = self._clock()


def key_of(event: ReceivedEvent) -> Key:
    template_id = event.template_id
    return template_id.int if template_id else None, event.template_name, event.template_version


def _rejection(key: Key, existing: set[int]) -> Rejected:
    template_id, name, version = key
    if template_id is None:
        return Rejected("unknown_template", f"no template {name} version {version}")
    if template_id not in existing:
        return Rejected("unknown_template", f"no template with id {UUID(int=template_id)}")
    return Rejected(
        "template_mismatch",
        f"the template with id {UUID(int=template_id)} never was {name} version {version}",
    )


def _find(keys: Set[Key], found: dict[Key, UUID], cursor: cursor) -> None:
    """Adds the templates of `keys` to `found`, those that are named by id under each name that they ever had."""
    by_name = [key for key in keys if key[0] is None]
    cursor.execute(
        _FIND,
        {
            "ids": [str(UUID(int=key[0])) for key in keys if key[0] is not None],
            "names": [name for _, name, _ in by_name],
            "versions": [version for _, _, version in by_name],
        },
    )
    for by_id, template_id, name, version in cursor:
        found[template_id.int if by_id else None, name, version] = template_id
