"""The demonstration's messages are what its plan says: good events, repeats of them, and broken ones of each kind."""

from __future__ import annotations

import json
import re
from collections import Counter
from types import SimpleNamespace

import pytest

from prompt_schema.migrate import MIGRATIONS
from prompt_worker import ExecutionEvent, PromptTemplateService
from prompt_worker.event.execution import EVENT_TYPE, InvalidEventError, encode, parse
from prompt_worker.guardrails import Execution, Guardrail, compile_all, evaluate
from prompt_worker.local.demo.broken import BREAKS, Raw
from prompt_worker.local.demo.events import STATUSES, Plan, messages
from prompt_worker.local.demo.planted import INJECTION, KINDS, Found, planted
from prompt_worker.local.demo.requests import EXTRACTION
from prompt_worker.local.demo.services import Services
from prompt_worker.local.demo.spread import Release, Spread
from tests.support.examples import PROMPTS

SEEDS = (MIGRATIONS / "0008_seeds.sql").read_text(encoding="utf-8")
SEED_PROMPTS = [found[1] for found in re.finditer(r"\$prompt\$(.*?)\$prompt\$", SEEDS, re.DOTALL)]
SERVICES = Services({name: PromptTemplateService.offline(PROMPTS) for name in ("web", "app")})
SEED_GUARDRAILS = [
    Guardrail(name=name, type=guardrail_type, config=json.loads(config))
    for name, guardrail_type, config in re.findall(
        r"'(\w+)',\n    '[^']*',\n    '(\w+)', '\w+', '\w+',\n    \$json\$(.*?)\$json\$", SEEDS, re.DOTALL
    )
]


@pytest.mark.parametrize("total", [0, 1, 9, 10, 49, 500, 5000])
def test_demo_has_as_many_messages_of_each_kind_as_planned(total: int) -> None:
    plan = Plan(total)
    made = list(messages(plan, SERVICES))
    events = [message for message in made if isinstance(message, ExecutionEvent)]
    assert len(made) == total == plan.rows + plan.duplicates + plan.bad
    assert len({event.event_id for event in events}) == plan.rows
    assert len(events) == plan.rows + plan.duplicates


def test_demo_events_are_valid_and_every_status_occurs() -> None:
    events = [message for message in messages(Plan(2000), SERVICES) if isinstance(message, ExecutionEvent)]
    for event in events:
        parse(encode(event))
    assert Counter(event.status for event in events).keys() == STATUSES.keys()
    assert len({event.template_name for event in events}) == 3


def test_demo_has_broken_messages_of_many_kinds() -> None:
    reasons = set()
    for message in messages(Plan(3000), SERVICES):
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
        message.event_id: message
        for message in messages(Plan(2000), SERVICES)
        if isinstance(message, ExecutionEvent)
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
    events = [message for message in messages(Plan(300), SERVICES) if isinstance(message, ExecutionEvent)]
    texts = dict(zip(("nlu_", "clar", "educ"), SEED_PROMPTS, strict=True))
    for event in events:
        plain = {line for line in texts[event.template_name[:4]].splitlines() if line and "{" not in line}
        assert plain <= set(event.rendered_prompt.splitlines())
        assert len(plain) > 5
        assert (event.template_version, event.prompt_source) == (1, "builtin")
    assert {event.service for event in events} == {"web", "app"}


def test_spread_says_who_followed_a_release_and_how_late(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 10.01, 10.25, 10.35, 10.36, 10.55, 10.65])
    # In this module alone: others ask for the time too.
    monkeypatch.setattr(
        "prompt_worker.local.demo.spread.time", SimpleNamespace(monotonic=lambda: next(clock))
    )
    spread = Spread(EXTRACTION, ["web", "app"])
    spread.note("web", 1)
    spread.note("app", 1)
    spread.note("web", 1)
    assert not spread.is_everywhere
    spread.release = Release(EXTRACTION, 1, 2, 10.3)
    spread.note("web", 1)
    spread.note("web", 2)
    assert not spread.is_everywhere
    spread.note("app", 2)
    spread.note("app", 2)
    assert spread.is_everywhere
    web, app = spread.followers()
    assert (web.stale, app.stale) == (1, 0)
    assert web.followed == pytest.approx(0.06)
    assert app.followed == pytest.approx(0.25)
    assert spread.versions() == [1, 2]
    assert spread.shares(2, 60) == [0.0, None, 0.0, 0.5, None, 1.0, 1.0]
    assert spread.shares(2, 2) == [pytest.approx(0.2), 1.0]
    assert spread.share(2) == pytest.approx(3 / 7)


def test_spread_of_nothing_has_no_shares() -> None:
    spread = Spread(EXTRACTION, ["web"])
    assert (spread.versions(), spread.shares(1, 60), spread.share(1)) == ([], [], 0.0)
