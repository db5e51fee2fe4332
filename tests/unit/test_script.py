"""An SQL script is split where PostgreSQL would end a statement, and nowhere else."""

from __future__ import annotations

import pytest

from prompt_schema.in_use import text_in_use
from prompt_schema.ledger import REBUILD_DUE, is_outside, read
from prompt_schema.script import Statement, split

SCRIPT = """-- A file.
-- outside a transaction

-- the first
SELECT 'a;b''c;' AS "odd;name"; -- after; it
/* not; this */
DO $$ BEGIN PERFORM 1; COMMIT; END $$;
CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $of$ SELECT $$x;y$$ $of$;
-- the index that
-- is built
CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON public.t (a)
"""


def test_script_is_split_at_the_ends_of_its_statements() -> None:
    assert [statement.sql for statement in split(SCRIPT)] == [
        "SELECT 'a;b''c;' AS \"odd;name\"",
        "DO $$ BEGIN PERFORM 1; COMMIT; END $$",
        "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $of$ SELECT $$x;y$$ $of$",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON public.t (a)",
    ]


def test_statement_says_why_by_the_comment_above_it() -> None:
    statements = list(split(SCRIPT))
    assert statements[0].why == "the first"
    assert statements[2].why == statements[2].sql
    assert statements[3].why == "the index that is built"


@pytest.mark.parametrize(
    ("sql", "alone"),
    [
        ("CREATE INDEX CONCURRENTLY i ON t (a)", True),
        ("DROP INDEX CONCURRENTLY i", True),
        ("VACUUM t", True),
        ("DO $$ BEGIN UPDATE t SET a = 1; COMMIT; END $$", True),
        ("DO $$ BEGIN UPDATE t SET a = 1; END $$", False),
        ("CREATE INDEX i ON t (a)", False),
        ("SELECT 'VACUUM'", False),
    ],
)
def test_statement_knows_whether_it_needs_to_be_alone(sql: str, alone: bool) -> None:
    assert Statement(sql, "").alone is alone


def test_header_alone_says_that_a_migration_is_outside() -> None:
    assert is_outside("-- A\n-- outside a transaction\nSELECT 1;")
    assert not is_outside("-- A\nSELECT 1;\n-- outside a transaction\n")
    assert not is_outside("SELECT '-- outside a transaction';")


def test_texts_in_use_read_no_rows_while_they_lock_the_table() -> None:
    """Each file that reads or builds all of prompt_executions under its lock has another text."""
    for migration in read():
        for statement in split(text_in_use(migration)):
            sql = " ".join(statement.sql.split())
            assert not sql.startswith("SELECT rebuild_"), migration.file
            assert "CREATE INDEX" not in sql or "ON prompt_executions" not in sql, migration.file
            if "ALTER TABLE public.prompt_executions" in sql and "FOREIGN KEY" in sql:
                assert "NOT VALID" in sql, migration.file
        text = text_in_use(migration)
        assert ("SELECT rebuild_" in migration.sql) == (REBUILD_DUE in text), migration.file
