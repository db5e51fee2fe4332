"""Names that no prompt and no label can have are refused with what is wrong with them."""

from __future__ import annotations

import pytest

from prompt_worker.prompts.authoring.naming import BadNameError, checked_label, checked_name


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "an empty text"),
        ("a@2", "@ is only for a version"),
        ("a\nb", "control characters"),
        ("a\x00", "control characters"),
        ("a\udcff", "control characters"),
        ("/a", "may be empty"),
        ("a/", "may be empty"),
        ("a//b", "may be empty"),
        (" a", "begin or end with a space"),
        ("../a", "begin with a dot"),
        ("a/.hidden", "begin with a dot"),
        ("a\\b", "a backslash"),
        ("a" * 256, "256 characters, at most 255"),
        ("\N{GRINNING FACE}" * 300, "300 characters"),
    ],
)
def test_bad_name_is_refused(name: str, says: str) -> None:
    with pytest.raises(BadNameError, match=says):
        checked_name(name)


@pytest.mark.parametrize(
    "name", ["tutor/hints", "3", "a b", "\N{GRINNING FACE}/é", "a.b", "x" * 255, "'; DROP"]
)
def test_odd_name_is_a_name(name: str) -> None:
    assert checked_name(name) == name


def test_name_is_kept_composed() -> None:
    assert checked_name("e\N{COMBINING ACUTE ACCENT}") == "é"


@pytest.mark.parametrize(
    "label", ["3", "latest", "production", "", "Beta", "-a", "a b", "é", "a" * 51, "a\n", "1a"]
)
def test_bad_label_is_refused(label: str) -> None:
    with pytest.raises(BadNameError):
        checked_label(label)


@pytest.mark.parametrize("label", ["beta", "a", "eu-west.1_b", "a" * 50])
def test_label_is_one(label: str) -> None:
    assert checked_label(label) == label
