"""Every query of the dashboard and of the alert policies asks for what there is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import promql_parser
import psycopg2
import pytest
from google.cloud.monitoring_v3.types import AlertPolicy

from prompt_worker.platform.pubsub.topology import Names
from prompt_worker.platform.telemetry.metrics import ABOUT, exported_name, kind
from tests.dashboard.queries import DASHBOARD, Query, conditions, panels, policies

QUERIES = [(panel.title, query) for panel in panels() for query in panel.queries]
PROMQL = [(title, query.text) for title, query in QUERIES if query.language == "promql"]
ALERTS = [(name, condition["query"]) for name, condition in conditions("conditionPrometheusQueryLanguage")]
SQL = [(title, query) for title, query in QUERIES if query.language == "sql"]
ADDED = {"worker", "job", "le"}  # to every metric: by us, by Prometheus, to a histogram


def labels_by_series() -> dict[str, set[str]]:
    """The series that a scrape brings, with the labels they have."""
    found = {}
    for metric, about in ABOUT.items():
        endings = ("_bucket", "_sum", "_count") if kind(metric) == "histogram" else ("",)
        found |= {exported_name(metric) + ending: {*about.labels, *ADDED} for ending in endings}
    return found


def series_of(expression: Any) -> Iterator[Any]:
    found: list[Any] = []

    def note(node: Any) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)
        return True

    promql_parser.walk(expression, note)
    yield from found


@pytest.mark.parametrize(("where", "query"), PROMQL + ALERTS)
def test_promql_uses_declared_metrics_and_labels(where: str, query: str) -> None:
    declared = labels_by_series()
    asked = list(series_of(promql_parser.parse(query)))
    assert asked, where
    for series in asked:
        if series.name.startswith("pubsub_googleapis_com:subscription_"):
            continue
        assert series.name in declared
        by = set(re.findall(r"\w+", " ".join(re.findall(r"\bby \(([^)]*)\)", query))))
        assert {matcher.name for matcher in series.matchers.matchers} | by <= declared[series.name], query


@pytest.mark.parametrize(("title", "query"), SQL)
def test_dashboard_sql_runs_with_a_readers_rights(database: str, title: str, query: Query) -> None:
    with closing(psycopg2.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute("SET ROLE prompt_reader")
        cursor.execute(query.text)
        columns = [column.name for column in cursor.description or ()]
    assert columns[:2] == ["time", "metric"] if query.series else columns, title


def test_every_legend_names_labels_that_its_query_keeps() -> None:
    for title, query in QUERIES:
        for label in re.findall(r"{{(\w+)}}", query.legend):
            assert re.search(rf"by \([^)]*\b{label}\b", query.text), title


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


@pytest.mark.parametrize(("name", "text"), list(policies()))
def test_alert_policy_is_valid_for_cloud_monitoring(name: str, text: str) -> None:
    # Refuses unknown fields and values.
    policy = AlertPolicy.from_json(text)
    assert policy.severity, name
    assert policy.documentation.content
    assert all(condition.display_name for condition in policy.conditions)


def test_alert_on_a_share_of_events_counts_each_event_once() -> None:
    """The guardrail worker and the store of dead letters settle the same events again."""
    [share] = [text for _, text in ALERTS if "prompt_worker_events_total" in text]
    [counted] = re.findall(r'prompt_worker_events_total\{[^}]*worker=~"([^"]+)"', share)
    workers = ("executions", "guardrails", "feedback", "dead-letters", "serve")
    assert [worker for worker in workers if re.fullmatch(counted, worker)] == [
        "executions",
        "feedback",
        "serve",
    ]


def test_alerts_watch_the_declared_subscriptions() -> None:
    names = Names()
    watched = {names.writer, names.guardrails, names.feedback, names.dead_letter_store}
    patterns = re.findall(
        r"prompt-\(executions-\([^)]*\)\|[a-z-]*\)\(-push\)\?", "".join(text for _, text in policies())
    )
    assert len(patterns) == 3
    matched = [{name for name in watched if re.fullmatch(pattern, name)} for pattern in patterns]
    assert watched in matched
    assert all(each >= {names.writer, names.guardrails, names.feedback} for each in matched)
