"""Script generation: the narration of a short educational video."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prompt_worker import PromptTemplateService, Publisher
from tests.examples.model import Answer, call_model, serve

publisher = Publisher(source="script-generation")
prompts = PromptTemplateService("tests/examples/prompts", publisher=publisher)


def write_script(request: Mapping[str, Any]) -> Answer:
    with prompts.run("educational_script_generation", request) as run:
        reply = call_model(run.text, **run.model_config)
        run.respond(
            reply.text,
            model=reply.model,
            input_tokens=reply.input_tokens,
            output_tokens=reply.output_tokens,
        )
    return Answer(run.text, reply.text)


if __name__ == "__main__":
    prompts.start(wait=2.0)
    with publisher:
        serve(write_script)
