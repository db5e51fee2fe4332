"""Characters that nobody sees are written as their numbers; all that people write stays as it is."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from prompt_worker.console.rendering.marking import marked


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\u202eb", "a⟨U+202E⟩b"),
        ("pass\u200bword", "pass⟨U+200B⟩word"),
        ("a\u200db", "a⟨U+200D⟩b"),
        ("\u200d", "⟨U+200D⟩"),
        ("x\U000e0041", "x⟨U+E0041⟩"),
        ("a\r\nb\tc\rd", "a\nb\tc⟨U+000D⟩d"),
        ("\ud800", "⟨U+D800⟩"),
        ("\ufeffname", "⟨U+FEFF⟩name"),
    ],
)
def test_unseen_characters_are_marked(text: str, expected: str) -> None:
    assert marked(text) == expected


def test_what_people_write_stays() -> None:
    for text in (
        "naïve €",
        "\N{MAN}\N{ZERO WIDTH JOINER}\N{WOMAN}\N{ZERO WIDTH JOINER}\N{GIRL}",
        "می\N{ZERO WIDTH NON-JOINER}خواهم",
        "שלום",
        "a\nb\tc",
        "❤\ufe0f",
        "x\N{NO-BREAK SPACE}y",
    ):
        assert marked(text) == text


def test_no_format_or_control_character_is_forgotten() -> None:
    """Of all of Unicode: format characters but for the signs that Arabic, Syriac, Kaithi and notes are written with."""
    visible = {"\u0600", "\u0601", "\u0602", "\u0603", "\u0604", "\u0605", "\u06dd", "\u070f", "\u0890", "\u0891",
               "\u08e2", "\U000110bd", "\U000110cd"}  # fmt: skip
    unseen = [
        character
        for character in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Cs")
        and character not in "\n\t"
        and character not in visible
    ]
    assert [f"{ord(each):04X}" for each in unseen if marked(each) == each] == []
