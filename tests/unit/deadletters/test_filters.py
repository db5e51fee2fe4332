"""A filter is conditions combined with AND; what the operator typed is bound, never part of the SQL."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime
from uuid import UUID

import pytest

from prompt_worker.deadletters.filters import Filter

EVENT = UUID("0190b2a4-0000-7000-8000-000000000001")
SINCE = datetime(2026, 1, 2, 3, tzinfo=UTC)
FULL = Filter(
    reason="no template",
    error_class="unknown_template",
    template="t",
    environment="production",
    source="worker",
    consumer="executions",
    since=SINCE,
    until=SINCE,
    event_id=EVENT,
    statuses=("pending", "replayed"),
)


def test_filter_without_conditions_matches_all() -> None:
    assert Filter().where() == ("true", {})
    assert Filter().as_json() == {}
    assert Filter().describe() == "all"


@pytest.mark.parametrize("name", [field.name for field in fields(Filter)])
def test_each_filter_condition_binds_its_value(name: str) -> None:
    condition, parameters = Filter(**{name: getattr(FULL, name)}).where()
    assert f"%(filter_{name})s" in condition
    assert " AND " not in condition
    assert list(parameters) == [f"filter_{name}"]


def test_filter_conditions_are_combined_with_and() -> None:
    condition, parameters = FULL.where()
    assert condition.count(" AND ") == len(fields(Filter)) - 1
    assert parameters["filter_event_id"] == str(EVENT)
    assert parameters["filter_statuses"] == ["pending", "replayed"]


@pytest.mark.parametrize("name", [field.name for field in fields(Filter)])
def test_statement_parameter_never_replaces_a_filter_value(name: str) -> None:
    _, parameters = FULL.where(**{name: "the statement's own"})
    assert parameters[name] == "the statement's own"
    assert parameters | FULL.where()[1] == parameters
    with pytest.raises(ValueError, match=f"filter_{name}"):
        FULL.where(**{f"filter_{name}": "another"})


def test_filter_values_never_become_sql() -> None:
    hostile = "'; DROP TABLE dead_letter_events; --"
    condition, parameters = Filter(reason=hostile, template=hostile).where()
    assert "DROP" not in condition
    assert parameters == {"filter_reason": hostile, "filter_template": hostile}


def test_filter_is_described_as_json_and_in_words() -> None:
    assert json.loads(json.dumps(FULL.as_json()))["since"] == "2026-01-02T03:00:00+00:00"
    words = Filter(reason="no template", error_class="x", statuses=("pending", "replayed")).describe()
    assert words == 'reason with "no template", error class x, status pending or replayed'
