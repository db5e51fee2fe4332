"""The metrics as they are declared, and as deploy/grafana/README.md lists them."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from prompt_worker.platform.telemetry.metrics import ABOUT, Counter, Gauge, Histogram, exported_name, kind

README = (Path(__file__).parents[2] / "deploy" / "grafana" / "README.md").read_text(encoding="utf-8")


def test_every_metric_is_described_and_no_other() -> None:
    assert set(ABOUT) == {*get_args(Counter), *get_args(Histogram), *get_args(Gauge)}


def test_the_readme_lists_every_metric_as_it_is_declared() -> None:
    rows = [
        f"| `{exported_name(metric)}` | {kind(metric)} | {', '.join(f'`{label}`' for label in about.labels)} "
        f"| {about.description} |"
        for metric, about in ABOUT.items()
    ]
    assert "\n".join(rows) in README
    assert README.count("\n| `prompt_worker_") == len(rows)
