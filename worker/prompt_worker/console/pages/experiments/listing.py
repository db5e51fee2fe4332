"""`/experiments`: every experiment on a line."""

from __future__ import annotations

from starlette.responses import Response

from prompt_worker.console.route import Route
from prompt_worker.console.visit import Visit
from prompt_worker.experiments.listing import list_experiments

# Lines of a page, the newest.
MOST = 200


def experiments(visit: Visit) -> Response:
    found = list_experiments(visit.database.reading)
    return visit.page("pages/experiments/listing.html", found=found[:MOST], more=max(0, len(found) - MOST))


ROUTES = [Route("/experiments", experiments, "experiments")]
