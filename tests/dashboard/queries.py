"""What the dashboard and the alert policies ask: every query, as Prometheus or PostgreSQL can answer it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = DEPLOY / "grafana" / "dashboard.json"
POLICIES = DEPLOY / "monitoring" / "policies"

_TIME_FILTER = re.compile(r"\$__timeFilter\((\w+)\)")


@dataclass(frozen=True)
class Query:
    """One of a panel; `language` is promql or sql."""

    language: str
    text: str
    legend: str = ""
    # SQL whose columns are time, metric and values.
    series: bool = False


@dataclass(frozen=True)
class Panel:
    title: str
    kind: str
    about: str
    unit: str
    # x, y, w, h of a grid 24 wide.
    place: Mapping[str, int]
    queries: tuple[Query, ...]


def panels(*, rate_interval: str = "1m", last: str = "6 hours") -> Iterator[Panel]:
    """In order, with Grafana's variables and macros filled in as Grafana fills them."""
    variables = {"$__rate_interval": rate_interval, "$worker": ".*"}
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        yield Panel(
            panel["title"],
            panel["type"],
            panel.get("description", ""),
            panel.get("fieldConfig", {}).get("defaults", {}).get("unit", ""),
            panel["gridPos"],
            tuple(_query(target, variables, last) for target in panel.get("targets", ())),
        )


def policies() -> Iterator[tuple[str, str]]:
    """Name and text of each alert policy."""
    for path in sorted(POLICIES.glob("*.json")):
        yield path.stem, path.read_text()


def conditions(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Of the alert policies, with the name of the policy; `kind` is a field of Cloud Monitoring's condition."""
    for name, text in policies():
        for condition in json.loads(text)["conditions"]:
            if kind in condition:
                yield name, condition[kind]


def _query(target: dict[str, Any], variables: Mapping[str, str], last: str) -> Query:
    if "expr" in target:
        text = target["expr"]
        for name, value in variables.items():
            text = text.replace(name, value)
        return Query("promql", text, target.get("legendFormat", ""))
    between = rf"\1 BETWEEN now() - interval '{last}' AND now() + interval '1 hour'"
    return Query("sql", _TIME_FILTER.sub(between, target["rawSql"]), series=target["format"] == "time_series")
