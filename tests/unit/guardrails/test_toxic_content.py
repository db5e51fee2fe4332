"""Toxic language is found in all four categories; lessons about difficult things are left alone."""

from typing import Any

import pytest

from prompt_worker.guardrails import Guardrail, GuardrailConfigError, check, compile_guardrail

SEED = {
    "toxicity_threshold": 0.7,
    "categories": ["profanity", "hate_speech", "violence", "sexual_content"],
    "allow_educational_context": True,
}


def rules(text: str, config: dict[str, Any] | None = None) -> set[str]:
    guardrail = Guardrail(name="toxic", type="toxic_content", config=SEED if config is None else config)
    return {one.rule for one in check([guardrail], prompt=text).findings}


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("this is fucking bullshit", "profanity"),
        ("You are such a pathetic loser, everybody laughs at you", "profanity"),
        ("I will kill you tomorrow", "violence"),
        ("go kill yourself", "violence"),
        ("All muslims deserve to die", "violence"),
        ("I hate all the jews", "hate_speech"),
        ("you dirty wetback", "hate_speech"),
        ("watch me give a blowjob", "sexual_content"),
        ("you f\u200bu\u200bc\u200bking m0r0n", "profanity"),
        ("you are a fuсking idiot", "profanity"),
        ("f u c k i n g   i d i o t", "profanity"),
    ],
)
def test_toxic_texts_are_found(text: str, rule: str) -> None:
    assert rule in rules(text)


@pytest.mark.parametrize(
    "text",
    [
        "The people of Scunthorpe and Essex read Dickens; is that dangerous?",
        "Explain how the penis and the vagina work in human reproduction.",
        "Describe the genocide of the Jews in the Holocaust and who was killed.",
        "How do white blood cells kill bacteria?",
        "How do I kill a process in Linux?",
        "Moby Dick is a novel about a white whale. Discuss its author.",
        "A female dog is called a bitch by breeders. Which species of mammals have such names?",
        "The farmer used a hoe, and the cock crowed.",
        "My homework is killing me and I hate fractions.",
        "What is 2 + 2?",
        "",
    ],
)
def test_lessons_and_harmless_texts_are_left_alone(text: str) -> None:
    assert rules(text) == set()


def test_educational_context_excuses_no_slur_and_no_threat() -> None:
    lesson = "Explain the history of the civil rights movement. "
    assert "hate_speech" in rules(lesson + "The author calls him a nigger")
    assert "violence" in rules(lesson + "I will kill you, teacher")


def test_educational_context_requires_a_second_signal() -> None:
    text = "Explain why the character in the novel about the war says the word shit in chapter 2."
    strict = {**SEED, "allow_educational_context": False}
    assert rules(text, strict) == {"profanity"}
    assert rules(text) == set()


def test_only_chosen_categories_count() -> None:
    assert rules("this is fucking bullshit", {**SEED, "categories": ["sexual content"]}) == set()
    assert rules("this is fucking bullshit", {**SEED, "categories": ["Profanity"]}) == {"profanity"}


def test_threshold_decides() -> None:
    text = "your idea is stupid and your drawing is ugly"
    low, high = ({"toxicity_threshold": threshold} for threshold in (0.0, 1.0))
    assert rules(text, low)
    assert not rules(text, high)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"toxicity_threshold": 1.5}, "toxicity_threshold"),
        ({"toxicity_threshold": "0.7"}, "toxicity_threshold"),
        ({"toxicity_threshold": True}, "toxicity_threshold"),
        ({"categories": ["profanity", "rudeness"]}, "categories[1]"),
        ({"categories": []}, "categories"),
        ({"categories": "profanity"}, "categories"),
        ({"allow_educational_context": "yes"}, "allow_educational_context"),
    ],
)
def test_unusable_config_names_the_field(config: dict[str, Any], field: str) -> None:
    with pytest.raises(GuardrailConfigError) as raised:
        compile_guardrail(Guardrail(name="toxic", type="toxic_content", config=config))
    assert raised.value.config_field == field
