"""The demonstration's messages are what its plan says: good events, repeats of them, and broken ones of each kind."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest

from prompt_schema.migrate import MIGRATIONS
from prompt_worker import ExecutionEvent
from prompt_worker.event.execution import EVENT_TYPE, InvalidEventError, encode, parse
from prompt_worker.guardrails import Execution, Guardrail, compile_all, evaluate
from prompt_worker.local.demo.broken import BREAKS, Raw
from prompt_worker.local.demo.events import STATUSES, Plan, messages
from prompt_worker.local.demo.planted import INJECTION, KINDS, Found, planted
from prompt_worker.local.demo.texts import CLARIFICATION, EXTRACTION, SCRIPT

SEEDS = (MIGRATIONS / "0008_seeds.sql").read_text(encoding="utf-8")
SEED_PROMPTS = [found[1] for found in re.finditer(r"\$prompt\$(.*?)\$prompt\$", SEEDS, re.DOTALL)]
SEED_GUARDRAILS = [
    Guardrail(name=name, type=guardrail_type, config=json.loads(config))
    for name, guardrail_type, config in re.findall(
        r"'(\w+)',\n    '[^']*',\n    '(\w+)', '\w+', '\w+',\n    \$json\$(.*?)\$json\$", SEEDS, re.DOTALL
    )
]


@pytest.mark.parametrize("total", [0, 1, 9, 10, 49, 500, 5000])
def test_demo_has_as_many_messages_of_each_kind_as_planned(total: int) -> None:
    plan = Plan(total)
    made = list(messages(plan))
    events = [message for message in made if isinstance(message, ExecutionEvent)]
    assert len(made) == total == plan.rows + plan.duplicates + plan.bad
    assert len({event.event_id for event in events}) == plan.rows
    assert len(events) == plan.rows + plan.duplicates


def test_demo_events_are_valid_and_every_status_occurs() -> None:
    events = [message for message in messages(Plan(2000)) if isinstance(message, ExecutionEvent)]
    for event in events:
        parse(encode(event))
    assert Counter(event.status for event in events).keys() == STATUSES.keys()
    assert len({event.template_name for event in events}) == 3


def test_demo_has_broken_messages_of_many_kinds() -> None:
    reasons = set()
    for message in messages(Plan(3000)):
        if not isinstance(message, Raw):
            continue
        try:
            event, _ = parse(message.body)
        except InvalidEventError as error:
            reasons.add(str(error))
        else:  # well-formed, and still nothing that the worker may write
            assert (
                message.attributes["ce-type"] != EVENT_TYPE
                or event.template_version == 99
                or event.template_name == "essay_feedback"
            )
            reasons.add(f"{message.attributes} {event.template_version} {event.template_name}")
    assert len(reasons) == len(BREAKS)


def test_seed_guardrails_find_what_is_planted_and_nothing_else() -> None:
    evaluators, refused = compile_all(SEED_GUARDRAILS)
    assert not refused
    templates = dict(zip(("nlu_", "clar", "educ"), SEED_PROMPTS, strict=True))
    events = {
        message.event_id: message for message in messages(Plan(2000)) if isinstance(message, ExecutionEvent)
    }
    executions = [
        Execution(
            prompt=event.rendered_prompt,
            variables=event.input_variables,
            response=event.model_response,
            template_text=templates[event.template_name[:4]],
        )
        for event in events.values()
    ]
    counted: Counter[Found] = Counter()
    for event, result in zip(events.values(), evaluate(evaluators, executions), strict=True):
        kinds = {
            (one.guardrail_name, one.rule if one.guardrail_type == "pii_detection" else "", "worker")
            for one in result.findings
        }
        assert kinds == {kind for kind in planted(event) if kind[2] == "worker"}, event.input_variables
        counted.update(kinds)
    assert {kind: counted[kind] for kind in counted if kind[0] != INJECTION} == {
        kind.found: Plan(2000).planted for kind in KINDS.values() if kind.found[0] != INJECTION
    }


def test_demo_prompts_are_rendered_from_the_seed_templates() -> None:
    for seed, ours in zip(SEED_PROMPTS, (EXTRACTION, CLARIFICATION, SCRIPT), strict=True):
        plain = {line for line in seed.splitlines() if line and "{" not in line}
        assert plain <= set(ours.splitlines())
        assert len(plain) > 5
