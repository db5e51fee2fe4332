from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest
from counting import TEMPLATES
from queries import rows
from sqlalchemy import Engine

from prompt_worker.platform.postgres.engine import connect


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
