"""Versions are checked in a process of their own with what they include, and those that include them are shown."""

from __future__ import annotations

import pytest

from prompt_worker.platform.uuid7 import uuid7
from prompt_worker.prompts.authoring.checks.checking import check_versions, references
from prompt_worker.prompts.authoring.releases.gate import gate
from prompt_worker.prompts.authoring.releases.gate.inputs import Executed
from prompt_worker.prompts.version import Stored
from tests.support.prompts import EXPENSIVE, stored
from tests.unit.prompts.test_writing_prompt_files import content

TONE = stored("fragments/tone", "Be kind. {{ level }}", variables=["level"])
HINTS = stored("hints", '{% include "fragments/tone" %} {{ question }}')
DEEP = stored("deep", '{% include "hints" %}')
PINNED = stored("pinned", '{% include "fragments/tone@1" %}')
ALONE = stored("alone", "Hi")
PRODUCTION = [TONE, HINTS, DEEP, PINNED, ALONE]


def verdicts(candidates: list[Stored], production: list[Stored]) -> dict[str, tuple[str | None, str | None]]:
    return {
        each.name: (None if each.error is None else str(each.error), each.because)
        for each in check_versions(candidates, production)
    }


def test_fragment_shows_every_prompt_that_includes_it() -> None:
    assert verdicts([stored("fragments/tone", "Be brief.", 2)], PRODUCTION) == {
        "fragments/tone": (None, None),
        "hints": (None, "fragments/tone"),
        "deep": (None, "hints"),
    }


def test_fragment_that_breaks_what_includes_it_says_where() -> None:
    found = verdicts(
        [stored("fragments/tone", '{% include "deep" %}', 2)],
        PRODUCTION,
    )
    assert all("circle" in str(found[name][0]) for name in ("fragments/tone", "hints", "deep"))


def test_declared_prompt_notices_what_its_fragment_reads_now() -> None:
    strict = stored("strict", '{% include "fragments/tone" %}', variables=["level"])
    found = verdicts([stored("fragments/tone", "{{ level }} {{ other }}", 2)], [TONE, strict])
    assert "reads other, which `variables` does not declare" in str(found["strict"][0])


def test_candidate_of_a_version_that_stays_inactive_affects_nothing() -> None:
    assert list(verdicts([stored("fragments/tone", "{{ a ", 2, is_active=False)], PRODUCTION)) == [
        "fragments/tone"
    ]


def test_two_candidates_are_checked_together() -> None:
    found = verdicts(
        [stored("new/fragment", "Hi"), stored("new/prompt", '{% include "new/fragment" %}')], PRODUCTION
    )
    assert found == {"new/fragment": (None, None), "new/prompt": (None, None)}


def test_expensive_candidates_end_their_children_and_the_rest_is_checked() -> None:
    candidates = [stored(f"t{at:02}", text) for at, text in enumerate(EXPENSIVE.values())]
    found = check_versions([*candidates, ALONE], [])
    assert [each.error is None for each in found] == [False] * len(candidates) + [True]


def test_template_of_a_megabyte_and_of_many_variables() -> None:
    found = verdicts([stored("long", "x" * 1_000_000)], [])
    assert "1,000,000 bytes: at most 64,000" in str(found["long"][0])
    many = stored("many", "Hi", variables={f"v{at}": {"type": "string"} for at in range(10_000)})
    assert verdicts([many], []) == {"many": (None, None)}


def test_included_versions_are_reported_with_their_hashes() -> None:
    (found,) = check_versions([DEEP], PRODUCTION)
    assert found.included == {"hints": HINTS.sha256, "fragments/tone": TONE.sha256}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{% include \"a\" %}{%- include 'b/c@3' %}", {"a", "b/c@3"}),
        ('{%\ninclude\n"a"\n%}', {"a"}),
        ("include 'a'", set()),
    ],
)
def test_references_are_found_as_they_are_written(text: str, names: set[str]) -> None:
    assert references(content(text)) == names
    assert references(content(translations={"de": text})) == names


def executed(variables: object, rendered: str = "Hi") -> Executed:
    return Executed(uuid7(), 1, variables, rendered, None)


def test_gate_counts_what_fails_and_shows_what_differs() -> None:
    candidate = stored("hints", "Hi {{ question }}", 2)
    real = [
        executed({"question": "you"}, "Hi you"),
        executed({"question": "all"}, "Hi"),
        executed({"quest": "x"}),
    ]
    steps = gate.renderings(candidate, [*PRODUCTION, candidate], real)
    (failed,) = gate.failures(real, steps)
    assert (
        failed.message
        == "hints@2 cannot be rendered with these variables: missing: question; unexpected: quest"
    )
    assert (failed.number, failed.example) == (1, real[2].id)
    (differing,) = gate.differing(gate.texts(real, steps))
    assert (differing.execution, differing.lines[1:]) == (
        real[1].id,
        ["-Hi", "\\ no newline at the end", "+Hi all", "\\ no newline at the end"],
    )
    assert gate.spread(real, steps) == gate.Spread(0, 2, 4)


def test_input_that_costs_too_much_fails_alone() -> None:
    candidate = stored("hints", "{% for a in range(n) %}{% for b in range(n) %}x{% endfor %}{% endfor %}", 2)
    real = [executed({"n": 1}), executed({"n": 9999}), executed({"n": 2})]
    steps = gate.renderings(candidate, [candidate], real)
    assert [step.message is None for step in steps] == [True, False, True]
