"""`/experiment`: one experiment: its verdict, its arms by each metric, and its interval over looks."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from prompt_worker.console.pages.named import PromptNamed
from prompt_worker.console.rendering.charts import Intervals, intervals
from prompt_worker.console.route import Route
from prompt_worker.console.visit import Visit
from prompt_worker.experiments.listing import StoredLook, list_looks, show_experiment

# Looks in the table, the newest.
LOOKS = 20


class Picture(msgspec.Struct, frozen=True):
    """The interval of one arm over looks. `chart` is None where no look had one."""

    arm: str
    chart: Intervals | None
    last: tuple[float, float, float] | None


def experiment(visit: Visit) -> Response:
    name = visit.query(PromptNamed).name
    shown = show_experiment(visit.database.reading, name)
    looks = visit.block(lambda: list_looks(visit.database.reading, name)[1])
    return visit.page(
        "pages/experiments/experiment.html",
        shown=shown,
        found=shown.experiment,
        looks=looks,
        newest=(looks.value or [])[: -LOOKS - 1 : -1],
        pictures=[_picture(looks.value or [], arm) for arm in list(shown.experiment.arms)[1:]],
    )


def _picture(looks: list[StoredLook], arm: str) -> Picture:
    points = [(each.looked_at, *each.intervals[arm]) for each in looks if arm in each.intervals]
    return Picture(arm, intervals(points), points[-1][1:] if points else None)


ROUTES = [Route("/experiment", experiment, "experiments")]
