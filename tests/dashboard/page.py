"""The answers of the dashboard's queries as a page, in the panels' places; and the page as a picture."""

from __future__ import annotations

import math
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from html import escape
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.dashboard.queries import Panel, Query

# Pixels of the grid.
COLUMN, LINE, GAP = 60, 30, 8
PALETTE = ("#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#b877d9", "#8ab8ff", "#f2495c", "#96d98d", "#ffb357")
STYLE = f"""
body {{ margin: 0; background: #111217; color: #ccccdc; font: 12px 'DejaVu Sans', sans-serif; }}
.panel {{ position: absolute; background: #181b1f; border: 1px solid #2c2f36; overflow: hidden; box-sizing: border-box;
  padding: 6px 8px; }}
.row {{ position: absolute; font-weight: bold; padding-top: 8px; }}
h1 {{ font-size: 16px; margin: 10px {GAP}px; }} h2 {{ font-size: 12px; margin: 0 0 4px; color: #e6e6f0; }}
.stat {{ font-size: 30px; text-align: center; color: #73bf69; padding-top: 14px; }}
table {{ border-collapse: collapse; width: 100%; font-size: 10px; white-space: nowrap; }}
td, th {{ text-align: left; padding: 2px 6px 2px 0; border-bottom: 1px solid #2c2f36; color: #b8b8c8; }}
.legend {{ font-size: 10px; line-height: 13px; max-height: 40px; overflow: hidden; }}
text {{ fill: #8e8e9c; font-size: 9px; }}
"""


@dataclass(frozen=True)
class Answer:
    """Rows of `columns` from PostgreSQL; from Prometheus series, without columns."""

    columns: Sequence[str]
    rows: Sequence[Any]


@dataclass(frozen=True)
class Line:
    """Points by Unix seconds, or by a name where they are bars."""

    label: str
    points: Sequence[tuple[float, float]]


Answered = tuple[Panel, Sequence[tuple[Query, Answer]]]


def draw(answers: Iterable[Answered]) -> str:
    panels = list(answers)
    height = max(panel.place["y"] + panel.place["h"] for panel, _ in panels) * LINE + 50
    return (
        f"<!doctype html><meta charset=utf-8><style>{STYLE}</style><body style='height:{height}px'>"
        f"<h1>prompt-worker</h1>{''.join(_panel(*each) for each in panels)}"
    )


def screenshot(page: str, file: Path) -> None:
    """By a headless Chromium and pngquant, found on the PATH."""
    height = int(re.search(r"height:(\d+)px", page)[1])  # type: ignore[index]
    with TemporaryDirectory(prefix="page-") as folder:
        path = Path(folder, "page.html")
        path.write_text(page, encoding="utf-8")
        options = [
            "--headless",
            "--no-sandbox",
            "--hide-scrollbars",
            "--disable-gpu",
            f"--user-data-dir={folder}/c",
        ]
        size = f"--window-size={24 * COLUMN + GAP},{height}"
        command = ["chromium", *options, size, f"--screenshot={file.resolve()}", path.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    subprocess.run(["pngquant", "--force", "--output", file, "64", file], check=True, timeout=60)


def _panel(panel: Panel, answers: Sequence[tuple[Query, Answer]]) -> str:
    place = panel.place
    left, top = place["x"] * COLUMN + GAP, place["y"] * LINE + 44
    width, height = place["w"] * COLUMN - GAP, place["h"] * LINE - GAP
    at = f"style='left:{left}px;top:{top}px;width:{width}px;height:{height}px'"
    if panel.kind == "row":
        return f"<div class=row {at}>{escape(panel.title)}</div>"
    if panel.kind == "stat":
        inside = f"<div class=stat>{_stat(panel, answers[0][1])}</div>"
    elif panel.kind == "table":
        inside = _table(answers[0][1])
    else:
        lines = list(chain.from_iterable(_lines(query, answer) for query, answer in answers))
        bars = answers[0][0].language == "sql"
        inside = _chart(lines, width - 16, height - 76, panel.unit, bars=bars) + _legend(lines)
    return f"<div class=panel {at}><h2>{escape(panel.title)}</h2>{inside}</div>"


def _stat(panel: Panel, answer: Answer) -> str:
    if not answer.rows:
        return "-"
    value = answer.rows[0][0] if answer.columns else float(answer.rows[0]["values"][-1][1])
    return _number(float(value), panel.unit)


def _table(answer: Answer) -> str:
    head = "".join(f"<th>{escape(name)}" for name in answer.columns)
    body = "".join(f"<tr>{''.join(f'<td>{_cell(value)}' for value in row)}" for row in answer.rows[:8])
    return f"<table><tr>{head}{body}</table>"


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%m-%d %H:%M}"
    return "" if value is None else escape(str(value))[:34]


def _lines(query: Query, answer: Answer) -> Iterator[Line]:
    if not answer.columns:
        for series in answer.rows:
            points = [(at, float(value)) for at, value in series["values"]]
            yield Line(_label(query.legend, series["metric"]), [p for p in points if math.isfinite(p[1])])
        return
    points_of: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for moment, name, value, *_ in answer.rows:
        points_of[str(name)].append((_seconds(moment), float(value)))
    yield from (Line(name, points) for name, points in points_of.items())


def _label(legend: str, labels: dict[str, str]) -> str:
    return re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], ""), legend.replace("__auto", ""))


def _seconds(moment: datetime | date | str) -> float:
    # A day, as the bar chart names it.
    if isinstance(moment, str):
        moment = datetime.strptime(f"{datetime.now(UTC).year}-{moment}", "%Y-%m-%d").replace(tzinfo=UTC)
    return moment.timestamp() if isinstance(moment, datetime) else 0.0


def _chart(lines: Sequence[Line], width: int, height: int, unit: str, *, bars: bool) -> str:
    times = sorted({at for line in lines for at, _ in line.points}) or [0.0]
    stacked: dict[float, float] = defaultdict(float)
    for line in lines:
        for at, value in line.points:
            stacked[at] = stacked[at] + value if bars else max(stacked[at], value)
    top = max(stacked.values(), default=1.0) * 1.08 or 1.0
    first, span = times[0], (times[-1] - times[0]) or 1.0
    x0, y0 = 42, height - 14

    def place(at: float, value: float) -> tuple[float, float]:
        return x0 + (at - first) / span * (width - x0 - 14), y0 - value / top * (y0 - 4)

    parts = [
        f"<line x1={x0} x2={width} y1={y:.0f} y2={y:.0f} stroke=#2c2f36 />"
        f"<text x={x0 - 4} y={y + 3:.0f} text-anchor=end>{_number(value, unit)}</text>"
        for value in (0.0, top / 2, top)
        for y in (place(first, value)[1],)
    ]
    shown = "%d. %H:%M" if span > 86_400 else "%H:%M:%S"
    for part in (0.0, 0.5, 1.0):
        at = first + part * span
        x = place(at, 0)[0]
        anchor = "start" if part == 0 else "end" if part == 1 else "middle"
        moment = datetime.fromtimestamp(at, UTC).strftime(shown)
        parts.append(f"<text x={x:.0f} y={height} text-anchor={anchor}>{moment}</text>")
    base: dict[float, float] = defaultdict(float)
    for number, line in enumerate(lines):
        colour = PALETTE[number % len(PALETTE)]
        if not bars:
            path = " ".join("{:.1f},{:.1f}".format(*place(*point)) for point in line.points)
            parts.append(f"<polyline points='{path}' fill=none stroke={colour} stroke-width=1.3 />")
            continue
        thick = max(2.0, min(24.0, (width - x0) / len(times) * 0.6))
        for at, value in line.points:
            x, upper = place(at, base[at] + value)
            lower = place(at, base[at])[1]
            parts.append(
                f"<rect x={x:.1f} y={upper:.1f} width={thick:.1f} height={lower - upper:.1f} fill={colour} />"
            )
            base[at] += value
    return f"<svg width={width} height={height}>{''.join(parts)}</svg>"


def _legend(lines: Sequence[Line]) -> str:
    names = "".join(
        f"<span style='color:{PALETTE[number % len(PALETTE)]}'>━ </span>{escape(line.label)} &nbsp; "
        for number, line in enumerate(lines)
    )
    return f"<div class=legend>{names}</div>"


def _number(value: float, unit: str) -> str:
    if unit == "s":
        return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.3g} s"
    short = f"{value / 1000:.3g}k" if value >= 10_000 else f"{value:.3g}" if value < 100 else f"{value:.0f}"
    return f"{short}/s" if unit == "ops" else short
