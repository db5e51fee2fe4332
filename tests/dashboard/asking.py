"""Services that ask for prompts while the picture is taken, and the registry's endpoint that they follow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from prompt_worker import PromptTemplateService
from prompt_worker.local.demo.services import Services
from prompt_worker.local.servers.server import free_port
from tests.support.pipeline import Pipeline, wait_until
from tests.support.probing import probe

BUILTIN = Path(__file__).parents[1] / "examples" / "prompts"
NAME = "nlu_topic_extraction"
# At which wave what happens: the services are given the registry, and versions are released, the second a broken one.
STARTS = 3
RELEASES = {
    6: "{{ student_query }}: which topics?",
    9: "{{ student_query",
    13: "Which topics? {{ student_query }}",
}
_MAKE = (
    "INSERT INTO prompt_templates (name, version, template_text, variables) "
    "SELECT name, NULL, %s, variables FROM prompt_templates WHERE name = %s AND version = 1"
)
_ACTIVATE = (
    "UPDATE prompt_templates SET is_active = true "
    "WHERE name = %s AND version = (SELECT max(version) FROM prompt_templates WHERE name = %s)"
)


@dataclass
class Asking:
    """`services` serve built-in prompts at first, then live ones."""

    pipeline: Pipeline
    live: PromptTemplateService
    services: Services

    @classmethod
    @contextmanager
    def beside(cls, pipeline: Pipeline, metrics_port: int) -> Iterator[Asking]:
        port = free_port()
        settings = {
            "PORT": str(port),
            "PROMPT_WORKER_METRICS_PORT": str(metrics_port),
            "PROMPT_WORKER_REGISTRY_WITHOUT_TOKEN": "true",
        }
        with pipeline.command("serve", "registry", **settings) as endpoint:
            wait_until(lambda: probe(port, "/readyz")[0] == 200, 30, lambda: endpoint.output)
            address = f"http://127.0.0.1:{port}/v1/registry"
            with closing(PromptTemplateService(BUILTIN, registry=address, last_good="none")) as live:
                yield cls(pipeline, live, offline())

    def wave(self, number: int) -> None:
        if number == STARTS:
            self.services = Services({"web": self.live})
        if number in RELEASES:
            self.pipeline.query(_MAKE, RELEASES[number], NAME)
            self.pipeline.query(_ACTIVATE, NAME, NAME)


def offline() -> Services:
    """With the prompts of their image alone."""
    return Services({"web": PromptTemplateService.offline(BUILTIN)})
