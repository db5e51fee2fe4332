"""What differs between two contents: every part, as lines that rebuild the new text from the old."""

from __future__ import annotations

import random
import time

import pytest

from prompt_worker.prompts.authoring.releases.gate.difference import difference, text_difference
from prompt_worker.prompts.content import Message, make_content
from tests.unit.prompts.test_writing_prompt_files import ODD_TEXTS, content


def patched(before: str, lines: list[str]) -> str:
    """`before` with the diff applied, which has all lines of it where it is short."""
    kept: list[str] = []
    kept_last = ""
    for line in lines:
        if line[0] in "+ ":
            kept.append(f"{line[1:]}\n")
        elif line[0] == "\\" and kept_last in "+ ":
            kept[-1] = kept[-1][:-1]
        kept_last = line[0]
    return "".join(kept)


@pytest.mark.parametrize("before", ODD_TEXTS)
@pytest.mark.parametrize("after", ODD_TEXTS)
def test_diff_of_short_texts_rebuilds_the_new_one(before: str, after: str) -> None:
    lines = list(text_difference(before, after))
    if before == after:
        assert lines == []
    elif max(before.count("\n"), after.count("\n")) < 4:
        assert patched(before, lines) == after


def test_every_part_that_differs_is_named() -> None:
    before = content("Hi\n", variables=["a"], translations={"de": "Hallo\n", "fr": "Salut\n"})
    after = content("Hi\nyou\n", model_config={"n": 1}, translations={"de": "Hallo du\n", "fr": "Salut\n"})
    assert [
        (change.part, [line for line in change.lines if line[0] in "+-"])
        for change in difference(before, after)
    ] == [
        ("text", ["+you"]),
        ("variables", ["-[", '- "a"', "-]"]),
        ("translations.de", ["-Hallo", "+Hallo du"]),
        ("model_config", ["+{", '+ "n": 1', "+}"]),
    ]


def test_equal_contents_have_no_difference() -> None:
    assert difference(content("a"), content("a")) == []


def test_chat_is_compared_message_by_message() -> None:
    said = Message(role="system", content="Be kind.")
    before = make_content("", (said, Message(history="turns")), {}, variables=["turns"])
    after = make_content("", (said, Message(role="user", content="Hi")), {}, variables=["turns"])
    (change,) = difference(before, after)
    assert (change.part, change.lines[-3:]) == ("messages", ["-[history turns]", "+[user]", "+Hi"])


def test_new_content_is_all_additions() -> None:
    (change,) = difference(None, content("Hi\n"))
    assert change.lines == ["@@ -0,0 +1 @@", "+Hi"]


def test_long_texts_of_equal_lines_are_compared_in_time() -> None:
    chance = random.Random(1)
    before = "".join(chance.choices(["a\n", "b\n", "\n"], k=30_000))
    started = time.thread_time()
    lines = list(text_difference(before, f"first\n{before[:-2]}x\n"))
    assert time.thread_time() - started < 2
    assert "+first" in lines
