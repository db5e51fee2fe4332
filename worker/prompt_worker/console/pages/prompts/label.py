"""`/prompt/label`: a label moved to a version, or removed."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from prompt_worker.console.pages.named import PromptNamed, Version
from prompt_worker.console.route import Route
from prompt_worker.console.visit import Visit
from prompt_worker.prompts.authoring.releases.labelling import move_label


class Labelled(msgspec.Struct):
    """Without a version the label is removed."""

    label: Annotated[str, Meta(max_length=100)]
    version: Version | None = None


def act(visit: Visit) -> Response:
    name, given = visit.query(PromptNamed).name, visit.form(Labelled)
    move_label(visit.database.acting, visit.actor(), name, given.label, given.version)
    return visit.see("/prompt", name=name, version=given.version)


ROUTES = [Route("/prompt/label", act, "label", "POST")]
