"""Experiments as they are printed: tables on a terminal, tab-separated lines when piped, JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from rich.table import Table
from rich.text import Text

from prompt_worker.commands.command import open_console
from prompt_worker.commands.experiments.plot import plot
from prompt_worker.commands.terminal.printable import printable, printable_time
from prompt_worker.experiments.creating import Created
from prompt_worker.experiments.errors import ExperimentError
from prompt_worker.experiments.judging.metrics import Metric, find_metric
from prompt_worker.experiments.judging.rollout import CANARY
from prompt_worker.experiments.listing import Shown, StoredLook
from prompt_worker.experiments.looking import Looked
from prompt_worker.experiments.stored import Experiment

STYLES = {"winner": "bold green", "harmful": "bold red", "invalid": "bold red", "srm_failed": "bold red"}
BAD = ("harmful", "invalid", "srm_failed")
TOO_FEW = "too few"


def print_created(name: str, created: Created, *, as_json: bool) -> None:
    if as_json:
        print_json(created)
        return
    when = (
        f"{created.days:,.1f} days at {created.units_a_day:,.0f} units a day"
        if created.days
        else "no traffic yet"
    )
    print(
        f"{printable(name)} is planned: {when}. Start it: prompt-worker experiments start {printable(name)}"
    )


def print_status(experiment: Experiment, *, as_json: bool) -> None:
    if as_json:
        print_json(experiment)
        return
    accepted = (
        f", {experiment.winner_variant} was accepted by {experiment.winner_declared_by}"
        if experiment.winner_declared_by
        else ""
    )
    print(printable(f"{experiment.name} is {experiment.status}{accepted}"))


def print_reweighed(experiment: Experiment, *, as_json: bool) -> None:
    if as_json:
        print_json(experiment)
        return
    before, now = experiment.phases[-2:]
    members = "each unit keeps its arm" if now.seed == before.seed else "all units are assigned again"
    again = "; the comparison begins again" if now.restarts else ""
    weights = ", ".join(f"{arm} {now.percent_of(arm):g} %" for arm in experiment.arms)
    print(printable(f"{experiment.name}: {weights} from phase {now.phase} on: {members}{again}"))


def print_list(found: Iterable[Experiment], *, as_json: bool) -> None:
    if as_json:
        for experiment in found:
            print_json(experiment)
        return
    columns = ("name", "prompt", "status", "verdict", "metric", "kind", "why")
    rows = [
        (
            each.name,
            each.template_name,
            each.status,
            each.verdict,
            each.primary_metric,
            _kind(each),
            each.verdict_reason,
        )
        for each in found
    ]
    print_table(columns, rows, styled=3)


def _kind(experiment: Experiment) -> str:
    if experiment.kind == "test" or not experiment.phases:
        return experiment.kind
    return f"rollout, {experiment.phases[-1].percent_of(CANARY):g} %"


def print_looked(looked: Looked, rolled_back: bool, *, as_json: bool) -> int:
    """The exit code."""
    name = looked.experiment.name
    if looked.look is None:
        print(
            _json({"name": name, "verdict": None})
            if as_json
            else f"{printable(name)}: nothing to look at now"
        )
        return 0
    verdict = looked.look.verdict
    if as_json:
        done = {"rolled_back": rolled_back} if looked.experiment.kind == "rollout" else {}
        print(_json({"name": name, "is_new": looked.is_new, **done, **msgspec.to_builtins(looked.look)}))
    else:
        print(printable(f"{name}: {verdict.name}: {verdict.why}"))
        if rolled_back:
            print(printable(f"{name}: rolled back, everybody gets the version in production"))
        elif looked.advice is not None:
            print(printable(f"{name}: {looked.advice}"))
    return 1 if verdict.name in BAD else 0


def print_shown(shown: Shown, *, as_json: bool) -> None:
    if as_json:
        print_json(shown)
        return
    experiment, numbers = shown.experiment, shown.numbers
    print_status(experiment, as_json=False)
    if experiment.kind == "rollout":
        _print_rollout(experiment)
    if numbers is None:
        print("nobody looked at it yet: prompt-worker experiments look")
        return
    print(printable(f"{numbers['verdict']['name']}: {numbers['verdict']['why']}"))
    evidence = numbers["evidence"]
    all_units = sum(evidence["units"].values())
    planned = f", {experiment.minimum_sample_size:,} are planned" if experiment.kind == "test" else ""
    print(f"looked at {printable(evidence['at'])}: {all_units:,} units{planned}")
    if experiment.kind == "rollout":
        failing = [(arm, evidence["units"][arm], evidence["failing"].get(arm, 0)) for arm in experiment.arms]
        print_table(("arm", "units", "failing units"), failing)
    columns = ("arm", "metric", "control", "arm's", "difference", "interval", "p", "units")
    print_table(columns, [_comparison(each, evidence) for each in numbers["comparisons"]])
    counts = ", ".join(
        f"{arm} {units:,} units with {evidence['rows'][arm]:,} calls"
        for arm, units in evidence["units"].items()
    )
    print(printable(f"counted: {counts}"))
    left_out = ", ".join(f"{reason} {calls:,}" for reason, calls in evidence["excluded"].items())
    print(printable(f"not counted: {left_out or 'nothing'}"))
    print(f"sample ratio: p {numbers['ratio_p']:.3g}")
    for phase in shown.audit:
        print(f"phase {phase.phase}: {phase.executions:,} executions, {phase.wrong:,} not served as assigned")


def _print_rollout(experiment: Experiment) -> None:
    steps = ", ".join(f"{step:g}" for step in experiment.steps or ())
    on_harm = "rolled back on harm" if experiment.auto_rollback else "not rolled back automatically"
    for phase in experiment.phases[-1:]:
        since = f" since {printable_time(phase.started_at)}" if phase.started_at else ""
        print(
            printable(
                f"rollout of {experiment.template_name}: {phase.percent_of(CANARY):g} % of the "
                f"{experiment.unit_kind}s{since}, steps {steps} %, {on_harm}"
            )
        )


def print_looks(experiment: Experiment, looks: Sequence[StoredLook], *, as_json: bool) -> None:
    if as_json:
        for each in looks:
            print_json(each)
        return
    console = open_console(wrap=True)
    if console.is_terminal:
        metric = _metric(experiment.primary_metric)
        unit = " in percentage points" if metric is not None and metric.in_percent else ""
        for arm in experiment.arms:
            for number, line in enumerate(plot(looks, arm, metric)):
                if not number:
                    console.print(printable(f"{experiment.primary_metric}, {arm} less control{unit}"))
                console.print(line)
    columns = ("looked at", "planned", "verdict", "units", "p", "why")
    shown = looks[-20:] if console.is_terminal else looks
    rows = [
        (
            printable_time(each.looked_at),
            "planned" if each.planned else "",
            each.verdict,
            each.units,
            _number(each.p_value),
            each.reason,
        )
        for each in shown
    ]
    print_table(columns, rows, styled=2)


def _metric(name: str) -> Metric | None:
    """None of one that nobody knows, as an experiment of before may have."""
    try:
        return find_metric(name)
    except ExperimentError:
        return None


def _comparison(each: dict[str, Any], evidence: dict[str, Any]) -> tuple[object, ...]:
    low, high = each["interval"] or (None, None)
    return (
        each["arm"],
        each["metric"],
        _number(each["control"]),
        _number(each["value"]),
        _number(each["difference"]),
        f"{_number(low)} … {_number(high)}" if low is not None else TOO_FEW,
        _number(each["adjusted"]),
        evidence["units"].get(each["arm"], 0),
    )


def _number(value: float | None) -> str:
    return TOO_FEW if value is None else f"{value:.4g}"


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, styled: int | None = None
) -> None:
    console = open_console(wrap=True)
    if not console.is_terminal:
        print("\t".join(columns))
        for row in rows:
            print("\t".join(map(printable, row)))
        return
    table = Table(*columns)
    for row in rows:
        cells = [
            Text(printable(cell), STYLES.get(str(cell), "") if number == styled else "")
            for number, cell in enumerate(row)
        ]
        table.add_row(*cells)
    console.print(table)


def print_json(value: object) -> None:
    print(_json(value))


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
