"""A service changes from a prompt in its code to `PromptTemplateService`, and nothing else changes for anybody.

The services are the programs of tests/examples; the six classes are those that a deployment's pipeline runs by name.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.examples import EXAMPLES_OF_SERVICES, Example, ExampleProgram, publishing
from tests.support.pipeline import Pipeline

pytestmark = pytest.mark.embedded_only

ROWS = """
    SELECT t.name, t.version, e.rendered_prompt, e.input_variables, e.model_response, e.status::text
    FROM prompt_executions AS e JOIN prompt_templates AS t ON t.id = e.template_id
    ORDER BY e.executed_at
"""
each_service = pytest.mark.parametrize("example", EXAMPLES_OF_SERVICES, ids=lambda example: example.module)


def answers(module: str, environment: dict[str, str], example: Example) -> list[dict[str, Any]]:
    with ExampleProgram(f"{module}.{example.module}", environment) as program:
        return [program.ask(request) for request in example.requests]


class TestHardcodedPromptsFallback:
    """Without a database a service sends what it always sent, and what it sends is recorded."""

    @each_service
    def test_text_is_the_hard_coded_one_to_the_byte(self, pipeline: Pipeline, example: Example) -> None:
        before = answers("hard_coded", publishing(pipeline), example)
        after = answers("with_service", publishing(pipeline), example)
        assert after == before
        assert all(answer["prompt"] for answer in after)

    @each_service
    def test_execution_is_recorded_under_the_built_in_version(
        self, pipeline: Pipeline, example: Example
    ) -> None:
        sent = answers("with_service", publishing(pipeline), example)
        with pipeline.worker():
            pipeline.wait_for_rows(len(example.requests))
        rows = pipeline.query(ROWS)
        assert [row[:3] for row in rows] == [(example.template, 1, answer["prompt"]) for answer in sent]
        assert [row[4:] for row in rows] == [(answer["reply"], "success") for answer in sent]
        assert pipeline.wrong_counters() == []
