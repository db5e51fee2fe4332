"""What differs where a database is in use: it ends in the same schema, and no writer waits for what reads all rows.

The files of 0002 to 0022 are as they were applied elsewhere, and never change. Three things of them would keep writers
of a table with rows waiting:

- What reads or builds while it holds the table. 0003 and 0004 have a second text for this, in `migrations/in_use`.
- The recount of all rows at the end of 0005, 0006 and 0011. It is left out. Rows written from then on are counted, so
  what is missing in the counters does not change any more, and is added after the last migration, by a rebuild
  that needs no lock. Until then the ledger holds a row that says so: `migrate` catches up on it, however a
  runner ended, and `verify` fails while it is due.
- The order of locks. An insert locks prompt_executions and then its template; 0002 and 0005 would lock them the other
  way round, and each would wait for the other. So they take the first lock first.
"""

from __future__ import annotations

import re

from prompt_schema.ledger import REBUILD_DUE, Migration

FIRST_LOCK = """
DO $$ BEGIN
    IF to_regclass('public.prompt_executions') IS NOT NULL THEN
        LOCK TABLE public.prompt_executions IN ACCESS EXCLUSIVE MODE;
    END IF;
END $$;
"""
_OTHER_WAY_ROUND = ("time_zones_and_views", "template_statistics")
_RECOUNT = re.compile(r"^SELECT rebuild_\w+_statistics\(id\) FROM \w+ ORDER BY id;$", re.MULTILINE)
_IS_DUE = (
    f"INSERT INTO public.schema_migrations (version, description) VALUES ('{REBUILD_DUE}', "  # noqa: S608
    "'Counters lack what was written before the takeover: run prompt-worker migrate') ON CONFLICT (version) DO NOTHING;"
)
# The recount would have replaced whatever phase 1 kept there; adding to it needs numbers.
_NUMBERS = """
UPDATE ab_test_experiments SET variant_executions = (
    SELECT coalesce(jsonb_object_agg(key, CASE WHEN value::text ~ '^\\d{1,15}$' THEN value ELSE '0' END), '{}')
    FROM jsonb_each(CASE jsonb_typeof(variant_executions) WHEN 'object' THEN variant_executions ELSE '{}' END));
"""


def text_in_use(migration: Migration) -> str:
    """The SQL that applies it to a database in use."""
    if migration.in_use is not None:
        return migration.in_use
    sql, recounts = _RECOUNT.subn(lambda _: _IS_DUE, migration.sql)
    if recounts and migration.version == "ab_test_statistics":
        sql += _NUMBERS
    return FIRST_LOCK + sql if migration.version in _OTHER_WAY_ROUND else sql
