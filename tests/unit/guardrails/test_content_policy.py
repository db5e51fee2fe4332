"""An owner's words, phrases and patterns, whole words or parts of them, with or without case."""

from typing import Any

import pytest

from prompt_worker.guardrails import Guardrail, GuardrailConfigError, check, compile_guardrail


def found(text: str, **config: Any) -> list[tuple[str, str]]:
    guardrail = Guardrail(name="policy", type="content_policy", config=config)
    return [(one.rule, text[one.start : one.end]) for one in check([guardrail], prompt=text).findings]


def test_words_phrases_and_patterns_are_found() -> None:
    text = "The lottery! Vaping? do  my homework, quiz key 42"
    assert found(
        text, words=["lottery", "vap*"], phrases=["do my homework"], patterns=[r"\bquiz key \d+\b"]
    ) == [
        ("word_1", "lottery"),
        ("word_2", "Vaping"),
        ("phrase_1", "do  my homework"),
        ("pattern_1", "quiz key 42"),
    ]


def test_words_match_whole_words_by_default() -> None:
    assert found("Scunthorpe is in danger", words=["cunt", "anger"]) == []
    assert found("in danger", words=["anger"], whole_word=False) == [("word_1", "anger")]


def test_case_sensitivity_is_a_choice() -> None:
    assert found("the us and the US", words=["US"], case_sensitive=True) == [("word_1", "US")]
    assert len(found("the us and the US", words=["US"])) == 2


def test_regular_expression_signs_in_words_are_literal() -> None:
    assert found("c++ and c", words=["c++"]) == [("word_1", "c++")]


@pytest.mark.parametrize("text", ["lоttеry", "l\u200bottery", "l0ttery", "ｌｏｔｔｅｒｙ", "l̶o̶ttery"])
def test_disguised_words_are_found(text: str) -> None:
    assert found(f"the {text} now", words=["lottery"]) == [("word_1", text)]


def test_words_of_other_scripts_are_found() -> None:
    assert found("Это запрещено!", words=["запрещено"]) == [("word_1", "запрещено")]
    assert found("die Lösung bitte", phrases=["die lösung"]) == [("phrase_1", "die Lösung")]


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({}, "words"),
        ({"words": ["two words"]}, "words[0]"),
        ({"words": ["*"]}, "words[0]"),
        ({"patterns": ["a", "(?=b)"]}, "patterns[1]"),
        ({"words": ["a"], "whole_word": 1}, "whole_word"),
        ({"phrases": {"a": 1}}, "phrases"),
    ],
)
def test_unusable_config_names_the_field(config: dict[str, Any], field: str) -> None:
    with pytest.raises(GuardrailConfigError) as raised:
        compile_guardrail(Guardrail(name="policy", type="content_policy", config=config))
    assert raised.value.config_field == field


def test_unknown_type_is_refused() -> None:
    with pytest.raises(GuardrailConfigError, match=r"guardrail 'x': guardrail_type.*content_policy"):
        compile_guardrail(Guardrail(name="x", type="astrology", config={}))
