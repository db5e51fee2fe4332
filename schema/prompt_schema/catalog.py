"""What a database holds, object by object, and what it should hold, which is `verify/catalog.json`.

After a new migration: `python -m prompt_schema.catalog DATABASE_URL > schema/prompt_schema/verify/catalog.json`.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from sqlalchemy import Connection, create_engine, text

# By kind (column, constraint, index, …) and name: the definition.
Catalog = dict[str, dict[str, str]]

_FOLDER = Path(__file__).parent / "verify"
_CAST = re.compile(r"::(?:character varying|text)(?:\[\])?")
# Around one word, one literal or one array, directly inside of another pair or of an array.
_PARENTHESES = re.compile(r"(?:(?<=[(\[])|(?<=, ))\((\w+|'(?:[^']|'')*'|ARRAY\[[^\[\]]*\])\)")
_QUERY = (_FOLDER / "catalog.sql").read_text(encoding="utf-8")


def actual(connection: Connection) -> Catalog:
    """The catalog of this database: by kind and name, the definition of each object. Needs no right on its tables."""
    # How PostgreSQL spells a name depends on the search path.
    connection.execute(text("SET LOCAL search_path = public"))
    catalog: Catalog = {}
    for kind, name, definition in connection.execution_options(no_parameters=True).exec_driver_sql(_QUERY):
        catalog.setdefault(kind, {})[_plain(name)] = _plain(definition)
    return catalog


def _plain(rule: str) -> str:
    """A rule or an index without its casts between text types, nor the parentheses around them.

    PostgreSQL spells both another way once a dump was restored: `(ARRAY['a'::character varying])::text[]` becomes
    `ARRAY[('a'::character varying)::text]`.
    """
    rule = _CAST.sub("", rule)
    while (plainer := _PARENTHESES.sub(r"\1", rule)) != rule:
        rule = plainer
    return rule


def expected() -> Catalog:
    """The catalog of a database to which every migration was applied."""
    catalog: Catalog = json.loads((_FOLDER / "catalog.json").read_text(encoding="utf-8"))
    return catalog


if __name__ == "__main__":
    with create_engine(sys.argv[1]).connect() as database:
        sys.stdout.write(json.dumps(actual(database), indent=1, sort_keys=True) + "\n")
