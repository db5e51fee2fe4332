"""The snapshot: includes, versions and languages that belong together, and prompts that cannot be used."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from prompt_worker.prompts.content import Message
from prompt_worker.prompts.errors import PromptReferenceError, UnknownPromptError, VersionGoneError
from prompt_worker.prompts.snapshot.snapshot import Snapshot
from prompt_worker.prompts.version import Origin, Stored
from tests.support.prompts import stored


def text_of(snapshot: Snapshot, name: str, variables: dict[str, Any] | None = None) -> str:
    return snapshot.active(name).render(variables or {}).text


# --- includes ---


def test_include_is_the_active_version_or_the_one_after_the_at() -> None:
    snapshot = Snapshot.build(
        [
            stored("fragments/tone", "new", 4),
            stored("fragments/tone", "old for {{ name }}", 3, is_active=False),
            stored("a", 'Be {% include "fragments/tone" %}.\n'),
            stored("b", 'Be {% include "fragments/tone@3" %}.\n'),
        ]
    )
    assert text_of(snapshot, "a") == "Be new.\n"
    assert text_of(snapshot, "b", {"name": "Ada"}) == "Be old for Ada.\n"
    assert snapshot.quarantined == {}


def test_fragment_reads_the_variables_and_loops_around_it() -> None:
    snapshot = Snapshot.build(
        [
            stored("item", "{{ loop.index }}:{{ x }}{% set x = 'changed' %};"),
            stored("a", '{% for x in xs %}{% include "item" %}{{ x }} {% endfor %}'),
        ]
    )
    assert text_of(snapshot, "a", {"xs": ["p", "q"]}) == "1:p;p 2:q;q "


def chain(length: int) -> list[Stored]:
    links = [stored(f"f{at}", f'{at}{{% include "f{at + 1}" %}}') for at in range(length)]
    return [*links, stored(f"f{length}", "end")]


def test_includes_are_five_deep_and_no_deeper() -> None:
    assert text_of(Snapshot.build(chain(5)), "f0") == "01234end"
    deeper = Snapshot.build(chain(6))
    assert "more than 5 deep" in deeper.quarantined["f0"]
    assert text_of(deeper, "f1") == "12345end"


@pytest.mark.parametrize(
    ("prompts", "said"),
    [
        ([stored("a", '{% include "a" %}')], "includes form a circle: a@1 → a@1"),
        (
            [stored("a", 'x\n {% include "b" %}'), stored("b", '{% include "a" %}')],
            "line 2, column 5: in the included b@1: line 1, column 4: includes form a circle: a@1 → b@1 → a@1",
        ),
        ([stored("a", '{% include "gone" %}')], "it includes gone, which does not exist or is a chat"),
        ([stored("a", '{% include "a@2" %}')], "it includes a@2, which does not exist"),
        (
            [
                stored("a", '{% include "c" %}'),
                stored("c", "", messages=(Message(role="user", content="x"),)),
            ],
            "is a chat",
        ),
        ([stored("a", "{% include name %}")], "include needs a name in quotes"),
        (
            [stored("a", '{% include "b" %}' * 100), stored("b", "{{ x }}" * 6)],
            "with what it includes it has more than 500 tags",
        ),
        (
            [stored("a", '{% include "b" %}'), stored("b", "\n{{ x y }}")],
            "in the included b@1: line 2, column 6",
        ),
    ],
)
def test_include_that_cannot_be_resolved_quarantines_the_prompt(prompts: list[Stored], said: str) -> None:
    snapshot = Snapshot.build(prompts)
    assert said in snapshot.quarantined["a"]
    with pytest.raises(UnknownPromptError, match="quarantined"):
        snapshot.active("a")


def test_prompt_may_include_an_older_version_of_itself() -> None:
    versions = [stored("a", 'new, {% include "a@1" %}', 2), stored("a", "old", 1, is_active=False)]
    assert text_of(Snapshot.build(versions), "a") == "new, old"


# --- what cannot be used ---


def test_prompt_that_does_not_compile_keeps_its_previous_version() -> None:
    first = Snapshot.build([stored("a", "one"), stored("b", "one")], origin=Origin("live", 1))
    second = Snapshot.build(
        [stored("a", "{{ broken", 2), stored("b", "two", 2)], previous=first, origin=Origin("live", 2)
    )
    assert [second.active(name).revision for name in ("a", "b")] == [2, 2]
    assert [second.active(name).version for name in ("a", "b")] == [1, 2]
    assert (text_of(second, "a"), text_of(second, "b")) == ("one", "two")
    assert second.quarantined.keys() == {"a"}
    assert second.quarantined["a"].startswith("version 2: line 1, column ")
    # And so on, until it is repaired.
    third = Snapshot.build([stored("a", "{{ broken", 2)], previous=second)
    assert text_of(third, "a") == "one"
    fourth = Snapshot.build([stored("a", "three", 3)], previous=third)
    assert (text_of(fourth, "a"), dict(fourth.quarantined)) == ("three", {})
    with pytest.raises(VersionGoneError):
        fourth.find("a", 1, None)


def test_broken_fragment_quarantines_those_that_include_it_alone() -> None:
    whole = [stored("f", "tone"), stored("a", '{% include "f" %}'), stored("b", "b")]
    first = Snapshot.build(whole)
    second = Snapshot.build(
        [stored("f", "{% if %}", 2), stored("a", 'new {% include "f" %}', 2), stored("b", "c", 2)],
        previous=first,
    )
    assert second.quarantined.keys() == {"f", "a"}
    assert [text_of(second, name) for name in ("f", "a", "b")] == ["tone", "tone", "c"]


def test_removed_prompt_is_gone_and_not_kept() -> None:
    first = Snapshot.build([stored("a", "one")])
    with pytest.raises(UnknownPromptError, match="no prompt is named a"):
        Snapshot.build([], previous=first).active("a")


def test_only_what_changed_is_compiled_again() -> None:
    whole = [stored("f", "tone"), stored("a", '{% include "f" %}'), stored("b", "b")]
    first = Snapshot.build(whole)
    second = Snapshot.build([stored("f", "TONE", 2), *whole[1:]], previous=first)
    assert text_of(second, "a") == "TONE"
    assert second.active("b").body_ is first.active("b").body_
    assert second.active("a").body_ is not first.active("a").body_
    assert text_of(first, "a") == "tone"


# --- get ---


@pytest.mark.parametrize("name", ["tutor/hints", "😀/é", "n" * 255, "with space", "a.b", "tutor/hints:de"])
def test_name_of_any_form_is_found_by_name_version_and_include(name: str) -> None:
    snapshot = Snapshot.build(
        [
            stored(name, "two", 2),
            stored(name, "one", 1, is_active=False),
            stored("x", f'{{% include "{name}@1" %}}'),
        ]
    )
    assert [snapshot.find(name, version, None).version for version in (None, 1, 2)] == [2, 1, 2]
    assert text_of(snapshot, "x") == "one"


@pytest.mark.parametrize("name", ["n" * 300, "", "tutor/Hints", "tutor/hints ", "{{ x }}", None, ["a"]])
def test_unknown_name_is_an_error_in_one_short_line(name: Any) -> None:
    snapshot = Snapshot.build([stored("tutor/hints", "x")])
    for get in (snapshot.active, lambda name: snapshot.find(name, None, "de")):
        with pytest.raises(UnknownPromptError) as caught:
            get(name)
        assert len(str(caught.value)) < 250
        assert "\n" not in str(caught.value)


def test_pinned_version_that_is_gone_is_never_another_one() -> None:
    snapshot = Snapshot.build([stored("a", "two", 2)])
    with pytest.raises(VersionGoneError, match="no version 1 any more"):
        snapshot.find("a", 1, None)
    with pytest.raises(UnknownPromptError):
        snapshot.find("b", 1, None)


@pytest.mark.parametrize("version", ["2", 0, -1, 2.0, True, "production"])
def test_label_or_text_is_never_a_version(version: Any) -> None:
    with pytest.raises(PromptReferenceError, match="whole number"):
        Snapshot.build([stored("a", "two", 2), stored("a", "one", 1, is_active=False)]).find(
            "a", version, None
        )


# --- languages ---

GREETING = stored(
    "greeting",
    "Hello {{ name }}, {% include 'tone' %}",
    translations={"de": "Hallo {{ name }}, {% include 'tone' %}", "de-AT": "Servus {{ name }}"},
)


@pytest.mark.parametrize(
    ("asked", "served", "text"),
    [
        (None, None, "Hello Ada, kind"),
        ("de", "de", "Hallo Ada, freundlich"),
        ("de-AT", "de-AT", "Servus Ada"),
        ("DE-at", "de-AT", "Servus Ada"),
        ("de-CH-1996", "de", "Hallo Ada, freundlich"),
        ("fr", None, "Hello Ada, kind"),
        ("", None, "Hello Ada, kind"),
    ],
)
def test_language_falls_back_from_narrow_to_wide(asked: str | None, served: str | None, text: str) -> None:
    snapshot = Snapshot.build([GREETING, stored("tone", "kind", translations={"de": "freundlich"})])
    prompt = snapshot.find("greeting", None, asked)
    assert (prompt.language, prompt.render({"name": "Ada"}).text) == (served, text)
    assert prompt.content_sha256 == GREETING.sha256


def test_faulty_translation_quarantines_the_version_and_is_named() -> None:
    snapshot = Snapshot.build([stored("a", "fine", translations={"de": "x\n{{ y z }}"})])
    assert "translations.de, line 2, column 6" in snapshot.quarantined["a"]
    snapshot = Snapshot.build([stored("a", "fine", translations={"Deutsch!": "x"})])
    assert "Deutsch! is no language" in snapshot.quarantined["a"]


# --- what is handed out ---


def test_prompt_is_frozen_and_what_it_hands_out_is_a_copy() -> None:
    snapshot = Snapshot.build([stored("a", "x", model_config={"stop": ["\n"]}, variables=["b"])])
    prompt = snapshot.active("a")
    with pytest.raises((AttributeError, FrozenInstanceError)):
        prompt.version = 2  # type: ignore[misc]
    prompt.model_config["stop"].append("changed")
    prompt.variables.append("changed")
    assert snapshot.active("a").model_config == {"stop": ["\n"]}
    assert snapshot.active("a").variables == ["b"]
    with pytest.raises(TypeError):
        snapshot.quarantined["a"] = "x"  # type: ignore[index]


def test_prompt_and_rendered_show_no_text() -> None:
    prompt = Snapshot.build([stored("a", "the words {{ b }}")]).active("a")
    shown = f"{prompt!r} {prompt.render({'b': 'secret'})!r}"
    assert shown == "<Prompt a@1> <Rendered of 16 characters>"
