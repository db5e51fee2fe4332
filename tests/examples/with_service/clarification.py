"""Clarification: what does a student mean by a vague question?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prompt_worker import PromptTemplateService, Publisher
from tests.examples.model import Answer, call_model, serve

publisher = Publisher(source="clarification")
prompts = PromptTemplateService("tests/examples/prompts", publisher=publisher)


def ask_back(request: Mapping[str, Any]) -> Answer:
    variables = {"student_query": request["student_query"], "interests": request.get("interests")}
    with prompts.run("clarification_question_generation", variables) as run:
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
        serve(ask_back)
