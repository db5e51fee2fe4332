"""PostgreSQL assigns units as services do."""

from __future__ import annotations

import json

from queries import rows
from sqlalchemy import Engine

from tests.support.documents import REPOSITORY

VECTORS = json.loads((REPOSITORY / "schema/prompt_schema/events/assignment.json").read_text(encoding="utf-8"))


def test_database_assigns_as_the_vectors_say(engine: Engine) -> None:
    found = rows(
        engine,
        "SELECT assignment_bucket(v ->> 'seed', v ->> 'recorded'), "
        "assigned_arm(:ranges, assignment_bucket(v ->> 'seed', v ->> 'recorded')) "
        "FROM jsonb_array_elements(:vectors) WITH ORDINALITY e (v, place) ORDER BY place",
        ranges=json.dumps(VECTORS["ranges"]),
        vectors=json.dumps(VECTORS["vectors"]),
    )
    assert found == [(vector["bucket"], vector["arm"]) for vector in VECTORS["vectors"]]
