"""What pages of a large table read: blocks, which do not depend on how busy the machine is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import msgspec
import psycopg2
import pytest
from psycopg2.extensions import cursor

from prompt_worker.console.pages.executions.listing import WINDOW, Asked, read_executions
from prompt_worker.console.requests import read
from prompt_worker.local.servers.postgres import Postgres
from tests.conftest import migrated_template, new_database
from tests.support.console_rows import EXECUTION, NAME, fill

pytestmark = pytest.mark.embedded_only

ROWS = 21_000
# A prompt's page asks each of its versions and statuses in each month: the index it would need is not there yet.
MOST_BLOCKS = {"of a prompt": 1_000}
MOST_OF_OTHERS = 500
# Written once a second, for three services; no trigger counts them.
_ROWS = """
INSERT INTO prompt_executions (id, template_id, template_name, template_version, user_id, input_variables,
    rendered_prompt, status, executed_at, environment, service)
SELECT uuid_v7(), t.id, t.name, t.version, 'u' || n %% 500, '{}', repeat('p', 600),
    CASE WHEN n %% 20 = 0 THEN 'failure' ELSE 'success' END, now() - n * interval '1 second', 'production',
    'svc-' || n %% 3
FROM generate_series(1, %s) n JOIN prompt_templates t ON t.name = %s AND t.version = 2
"""


class Explaining(cursor):
    """Runs each statement twice, the first time to see what it reads; `blocks` is of the last one."""

    blocks = 0
    plan = ""

    def execute(self, query: str, parameters: object = None) -> None:  # type: ignore[override]
        super().execute(f"EXPLAIN (ANALYZE, BUFFERS) {query}", parameters)
        self.plan = "\n".join(line for (line,) in self.fetchall())
        counted = re.search(r"Buffers: shared (.*)", self.plan)
        self.blocks = sum(map(int, re.findall(r"(?:hit|read)=(\d+)", counted[1] if counted else "")))
        super().execute(query, parameters)


@pytest.fixture(scope="module")
def explaining(postgres: Postgres) -> Iterator[Explaining]:
    for url in new_database(postgres, migrated_template(postgres)):
        fill(url, executions=20)
        with closing(psycopg2.connect(url, cursor_factory=Explaining)) as connection:
            with connection.cursor(cursor_factory=cursor) as writing:
                writing.execute("SET LOCAL session_replication_role = replica")
                writing.execute(_ROWS, (ROWS, NAME))
                writing.execute("ANALYZE prompt_executions")
                connection.commit()
            yield connection.cursor()


def test_pages_by_an_index_read_few_blocks(explaining: Explaining) -> None:
    pages: dict[str, Asked] = {
        "newest": Asked(),
        "of a prompt": Asked(prompt=NAME),
        "of a version and status": Asked(prompt=NAME, version=2, status="failure"),
        "of a user": Asked(user="u77"),
        "of an id": Asked(id=UUID(EXECUTION)),
    }
    for name, asked in pages.items():
        found = read_executions(asked, True, explaining)
        assert found.lines, name
        most = MOST_BLOCKS.get(name, MOST_OF_OTHERS)
        assert explaining.blocks <= most, (name, explaining.blocks, explaining.plan)
        # A page in the middle reads no more than the first.
        if found.older:
            last = found.lines[-1]
            after = msgspec.structs.replace(asked, until=last.executed_at, after=last.id)
            read_executions(after, True, explaining)
            assert explaining.blocks <= most, (name, explaining.blocks)


def test_what_no_index_finds_is_looked_for_in_a_window(explaining: Explaining) -> None:
    """It says how far it looked, and goes on from there."""
    found = read_executions(Asked(service="nobody"), True, explaining)
    assert (found.lines, found.looked_at) == ([], WINDOW)
    assert found.older is not None
    assert "service=nobody" in found.older


def test_window_of_a_prompt_ends_where_its_busiest_version_ends(explaining: Explaining) -> None:
    """Failures are rare and go far back: what lies between is not passed over."""
    asked = Asked(prompt=NAME, service="tutor-1")
    found: list[UUID] = []
    for _ in range(20):
        page = read_executions(asked, True, explaining)
        found += [line.id for line in page.lines]
        if page.older is None:
            break
        query = parse_qsl(urlsplit(page.older).query)
        asked = read(query, Asked)
    explaining.execute(
        "SELECT id::text FROM prompt_executions WHERE service = 'tutor-1' ORDER BY executed_at DESC"
    )
    assert [str(each) for each in found] == [id_ for (id_,) in explaining.fetchall()]
