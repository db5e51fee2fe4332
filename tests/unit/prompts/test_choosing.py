"""Which version a service gets: the precedence, rules, labels, refs, the kill switch, and what else there is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from prompt_worker.prompts.errors import (
    PromptBlockedError,
    PromptReferenceError,
    UnknownPromptError,
    VersionGoneError,
)
from tests.support.prompts import RecordingPublisher, write_prompts
from tests.support.registry import FileRegistry, soon, version

NAME = "tutor/hints"
VERSIONS = [version(NAME, at, f"text {at}", active=at == 3) for at in range(1, 7)]
ABOUT = {
    "category": "tutoring",
    "labels": {"canary": 4, "beta.1": 5},
    "rules": [
        {"when": {"grade": {"from": 5, "to": 8}, "country": {"in": ["AT", "DE"]}}, "version": 1},
        {"when": {"tier": "gold"}, "label": "beta.1"},
        {"when": {"tester": True}, "label": "production"},
    ],
}


@pytest.fixture
def builtin(tmp_path: Path) -> Path:
    return write_prompts(tmp_path / "builtin", {NAME: "built in", "only/image": "only here"})


def served(prompts: Any, **choice: Any) -> tuple[int, str, str]:
    prompt = prompts.get(NAME, **choice)
    return prompt.version, prompt.reason, prompt.source


@pytest.mark.parametrize(
    ("choice", "number", "reason"),
    [
        ({}, 3, "production"),
        ({"unit": "student-1"}, 3, "production"),
        ({"context": {}}, 3, "production"),
        ({"context": {"grade": 5, "country": "AT"}}, 1, "rule:1"),
        ({"context": {"grade": 8, "country": "DE", "tier": "gold"}}, 1, "rule:1"),
        ({"context": {"grade": 9, "country": "AT", "tier": "gold"}}, 5, "rule:2"),
        ({"context": {"grade": "6", "country": "AT"}}, 3, "production"),
        ({"context": {"grade": True, "country": "AT"}}, 3, "production"),
        ({"context": {"grade": float("nan"), "country": "AT"}}, 3, "production"),
        ({"context": {"grade": None, "country": ["AT"]}}, 3, "production"),
        ({"context": {"country": "AT"}}, 3, "production"),
        ({"context": {"tester": True}}, 3, "rule:3"),
        ({"context": {"tester": 1}}, 3, "production"),
        ({"label": "canary"}, 4, "label:canary"),
        ({"label": "canary", "context": {"tier": "gold"}}, 4, "label:canary"),
        ({"label": ["gone", "beta.1", "canary"]}, 5, "label:beta.1"),
        ({"label": "production"}, 3, "production"),
        ({"label": ("gone", "production"), "context": {"tier": "gold"}}, 3, "production"),
        ({"version": 2}, 2, "pinned"),
        ({"version": 2, "label": "canary", "context": {"tier": "gold"}}, 2, "pinned"),
        ({"ref": f"{NAME}@6"}, 6, "pinned"),
        ({"ref": f"{NAME}@6", "label": "canary", "context": {"tier": "gold"}}, 6, "pinned"),
    ],
)
def test_first_of_ref_version_label_rule_and_production_decides(
    registry: FileRegistry, builtin: Path, choice: dict[str, Any], number: int, reason: str
) -> None:
    registry.write(*VERSIONS, names={NAME: ABOUT})
    prompts = registry.started(builtin)
    assert served(prompts, **choice) == (number, reason, "live")
    prompt = prompts.get(NAME, **choice)
    assert (prompt.render().text, prompt.ref) == (f"text {number}", f"{NAME}@{number}")
    assert prompts.get(NAME, **choice) is prompt


@pytest.mark.parametrize(
    "choice", [{}, {"version": 2}, {"label": "canary"}, {"ref": f"{NAME}@2"}, {"ref": f"{NAME}@1+builtin"}]
)
def test_blocked_prompt_is_served_in_no_version(
    registry: FileRegistry, builtin: Path, choice: dict[str, Any]
) -> None:
    registry.write(*VERSIONS, names={NAME: {**ABOUT, "blocked": "it insults\npeople"}})
    publisher = RecordingPublisher()
    prompts = registry.started(builtin, publisher=publisher)
    with (
        pytest.raises(PromptBlockedError, match="is blocked: it insults people"),
        prompts.run(NAME, **choice),
    ):
        pytest.fail("the model is called")
    assert publisher.events == []
    assert prompts.health().prompts == 1
    registry.write(*VERSIONS, names={NAME: ABOUT})
    soon(lambda: prompts.health().revision == 2)
    prompts.get(NAME, **choice)


# --- labels ---


def test_removed_label_is_never_served_again(registry: FileRegistry, builtin: Path) -> None:
    registry.write(*VERSIONS, names={NAME: ABOUT})
    prompts = registry.started(builtin)
    old = prompts.get(NAME, label="canary")
    registry.write(*VERSIONS, names={NAME: {"labels": {"beta.1": 5}}})
    soon(lambda: prompts.health().revision == 2)
    with pytest.raises(UnknownPromptError, match="has no label canary"):
        prompts.get(NAME, label="canary")
    assert served(prompts, label=("canary", "beta.1")) == (5, "label:beta.1", "live")
    # Whoever has it from before keeps what he has.
    assert old.render().text == "text 4"


def test_moved_label_is_followed(registry: FileRegistry) -> None:
    registry.write(*VERSIONS, names={NAME: ABOUT})
    prompts = registry.started()
    registry.write(*VERSIONS, names={NAME: {"labels": {"canary": 6}}})
    soon(lambda: prompts.health().revision == 2)
    assert served(prompts, label="canary") == (6, "label:canary", "live")


@pytest.mark.parametrize("label", ["3", "latest", "", 3, ["canary", "3"], [None], "٣"])
def test_number_is_no_label_and_no_version(registry: FileRegistry, builtin: Path, label: Any) -> None:
    registry.write(*VERSIONS, names={NAME: ABOUT})
    prompts = registry.started(builtin)
    with pytest.raises(PromptReferenceError, match="no label"):
        prompts.get(NAME, label=label)


# --- what is not there ---


def test_prompt_is_built_in_where_the_registry_has_none_and_says_why(
    registry: FileRegistry, builtin: Path
) -> None:
    registry.write(version("other", 1, "x"))
    prompts = registry.started(builtin)
    assert served(prompts) == (1, "builtin:unknown", "builtin")
    assert served(prompts, label="canary") == (1, "builtin:unknown", "builtin")
    assert prompts.get("only/image").reason == "builtin:unknown"
    registry.write(
        *[each | {"is_active": False} for each in VERSIONS], names={NAME: {"labels": {"canary": 4}}}
    )
    soon(lambda: prompts.health().revision == 2)
    assert served(prompts) == (1, "builtin:inactive", "builtin")
    assert served(prompts, label="production") == (1, "builtin:inactive", "builtin")
    assert served(prompts, label="canary") == (4, "label:canary", "live")
    prompt = prompts.get(NAME)
    assert (prompt.revision, prompt.age_seconds, prompt.template_id) == (None, None, None)
    registry.write(*VERSIONS)
    soon(lambda: prompts.health().revision == 3)
    assert served(prompts) == (3, "production", "live")


def test_prompt_that_is_nowhere_is_unknown_and_the_error_says_what_to_do(registry: FileRegistry) -> None:
    prompts = registry.service()
    with pytest.raises(UnknownPromptError, match="the registry was not reached yet"):
        prompts.get(NAME)
    registry.write(*[each | {"is_active": False} for each in VERSIONS])
    assert prompts.start(wait=20)
    with pytest.raises(UnknownPromptError, match="activate a version"):
        prompts.get(NAME)
    with pytest.raises(UnknownPromptError, match="neither the registry nor the built-in"):
        prompts.get("tutor/none")
    for odd in (None, ["a"], 7):
        with pytest.raises(UnknownPromptError):
            prompts.get(odd)  # type: ignore[arg-type]


def test_deleted_version_is_gone_and_never_another_one(registry: FileRegistry, builtin: Path) -> None:
    registry.write(*VERSIONS)
    prompts = registry.started(builtin)
    old = prompts.get(NAME, version=1)
    assert old.render().text == "text 1"
    registry.write(*VERSIONS[1:])
    soon(lambda: prompts.health().revision == 2)
    # The image has a version 1 of its own, with another text.
    for choice in ({"version": 1}, {"ref": old.ref}):
        with pytest.raises(VersionGoneError, match="no version 1 any more"):
            prompts.get(NAME, **choice)


def test_ref_of_a_built_in_prompt_pins_that_one(registry: FileRegistry, builtin: Path) -> None:
    registry.write(version("other", 1, "x"))
    prompts = registry.started(builtin)
    first = prompts.get(NAME)
    assert first.ref == f"{NAME}@1+builtin"
    registry.write(*VERSIONS)
    soon(lambda: prompts.health().revision == 2)
    assert prompts.get(NAME).render().text == "text 3"
    again = prompts.get(NAME, ref=first.ref)
    assert (again.render().text, again.source, again.content_sha256) == (
        "built in",
        "builtin",
        first.content_sha256,
    )
    # An image that does not have it: what the registry has under that number.
    assert registry.started().get(NAME, ref=first.ref).render().text == "text 1"


def test_ref_and_version_of_the_image_alone_are_found_there(registry: FileRegistry, builtin: Path) -> None:
    registry.write(version("other", 1, "x"))
    prompts = registry.started(builtin)
    assert prompts.get("only/image", version=1).render().text == "only here"
    with pytest.raises(VersionGoneError):
        prompts.get("only/image", version=2)


# --- rules that cannot be used ---


@pytest.mark.parametrize(
    "rules",
    [
        [{"when": {"a": {"between": [1, 2]}}, "version": 1}],
        [{"when": {"a": {"in": "text"}}, "version": 1}],
        [{"when": {"a": {"from": [1]}}, "version": 1}],
        [{"when": {"a": {}}, "version": 1}],
        [{"version": 1}],
        {"when": {}},
    ],
)
def test_unusable_rules_leave_those_before_and_are_named(registry: FileRegistry, rules: Any) -> None:
    registry.write(*VERSIONS, names={NAME: ABOUT})
    prompts = registry.started()
    registry.write(*VERSIONS, names={NAME: {**ABOUT, "rules": rules}})
    soon(lambda: prompts.health().revision == 2)
    assert served(prompts, context={"tier": "gold"}) == (5, "rule:2", "live")
    assert "rules cannot be read" in prompts.health().quarantined[f"{NAME} rules"]
    assert served(prompts) == (3, "production", "live")


def test_rule_of_a_version_that_is_gone_serves_production(registry: FileRegistry) -> None:
    registry.write(*VERSIONS, names={NAME: {"rules": [{"when": {"a": 1}, "version": 99}]}})
    prompts = registry.started()
    assert served(prompts, context={"a": 1}) == (3, "production", "live")
    assert f"{NAME} rule 1" in prompts.health().quarantined


def test_rule_without_conditions_always_holds(registry: FileRegistry) -> None:
    registry.write(*VERSIONS, names={NAME: {"rules": [{"when": {}, "version": 6}]}})
    prompts = registry.started()
    assert served(prompts) == (6, "rule:1", "live")


def test_object_that_cannot_be_compared_fits_no_rule(registry: FileRegistry) -> None:
    class Odd:
        def __eq__(self, other: object) -> bool:
            raise RuntimeError

        __hash__ = None  # type: ignore[assignment]

    registry.write(*VERSIONS, names={NAME: ABOUT})
    prompts = registry.started()
    assert served(prompts, context={"tier": Odd()}) == (3, "production", "live")
    assert served(prompts, context=["no", "mapping"]) == (3, "production", "live")
