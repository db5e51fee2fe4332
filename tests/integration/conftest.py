from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import UUID, uuid4

import psycopg2
import pytest
from counting import TEMPLATES
from queries import rows
from sqlalchemy import Engine

from prompt_worker.local.servers.postgres import Postgres
from prompt_worker.platform.postgres.engine import connect
from tests.conftest import MONTHS
from tests.support.authoring import Desk
from tests.support.live_shapes import copied, live_database, url_of
from tests.support.months import months_made


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    """A new database with the schema and its seeds."""
    engine = connect(database, application_name="test", pool_size=20)
    yield engine
    engine.dispose()


@pytest.fixture
def empty_engine(empty_database: str) -> Iterator[Engine]:
    """A new database with nothing in it."""
    engine = connect(empty_database, application_name="test", pool_size=20)
    yield engine
    engine.dispose()


@pytest.fixture
def template(engine: Engine) -> tuple[UUID, str]:
    """The id and name of a seed template."""
    return tuple(rows(engine, TEMPLATES)[0])  # type: ignore[return-value]


@pytest.fixture(scope="session")
def live_template(postgres: Postgres) -> Iterator[str]:
    """The name of a small live database of phase 1, to be copied."""
    name = f"live_{uuid4().hex[:12]}"
    with closing(psycopg2.connect(postgres.url)) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"CREATE DATABASE {name} TEMPLATE template0")
        with closing(psycopg2.connect(url_of(postgres, name))) as live:
            live.cursor().execute(live_database(200))
            live.commit()
        yield name


@pytest.fixture
def live(postgres: Postgres, live_template: str) -> Iterator[Engine]:
    """A new copy of it."""
    with copied(postgres, live_template) as engine:
        yield engine


@pytest.fixture
def few_months() -> Iterator[None]:
    """Migrations of the test make the months that the databases of other tests have."""
    with months_made(MONTHS):
        yield


@pytest.fixture
def desk(
    database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Desk:
    """An owner of prompts, on a new database with the schema and its seeds."""
    monkeypatch.setenv("DATABASE_URL", database)
    return Desk(database, tmp_path, capsys)
