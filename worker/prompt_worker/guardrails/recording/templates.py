"""The templates that events were rendered from: their category chooses guardrails, their own words trigger none."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.statements import statement
from prompt_worker.platform.postgres.transactions import Transactions

_FIND = statement(__name__, "find_served_templates")

TemplateKey = str | tuple[str, int]  # an id as the event spells it, or a name and the version that was served
LONGEST_ID = 36  # characters


class ServedTemplate(msgspec.Struct, frozen=True, gc=False):
    """What guardrails need of a template."""

    text: str
    category: str | None


class ServedTemplates:
    """Remembers each template asked for, missing ones too, until `forget`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._known: dict[TemplateKey, ServedTemplate | None] = {}

    def find(self, keys: Iterable[TemplateKey]) -> dict[TemplateKey, ServedTemplate | None]:
        """Each of `keys` with its template, None for one that does not exist; others may be among them.

        Asks the database only for those not known yet. Raises `DeploymentError`, or `psycopg2.Error` once retrying was
        stopped.
        """
        known = self._known  # remains ours when another thread calls `forget`
        unknown = {key for key in keys if key not in known}
        if unknown:
            found = self._transactions.run(lambda cursor: _find(unknown, cursor))
            known.update({key: found.get(key) for key in unknown})
        return known

    def forget(self) -> None:
        """What was found may have been edited since."""
        self._known = {}


def _find(keys: set[TemplateKey], cursor: cursor) -> dict[TemplateKey, ServedTemplate]:
    names = [key for key in keys if isinstance(key, tuple)]
    ids = {key: template_id for key in keys if isinstance(key, str) and (template_id := _id(key))}
    cursor.execute(
        _FIND,
        {
            "ids": list(ids.values()),
            "names": [name for name, _ in names],
            "versions": [version for _, version in names],
        },
    )
    found: dict[TemplateKey, ServedTemplate] = {}
    for template_id, name, version, text, category in cursor:
        found[template_id] = found[name, version] = ServedTemplate(text, category)
    return found | {key: found[template_id] for key, template_id in ids.items() if template_id in found}


def _id(key: str) -> str | None:
    """As the database spells it."""
    try:
        return str(msgspec.convert(key, UUID))
    except msgspec.ValidationError:
        return None
