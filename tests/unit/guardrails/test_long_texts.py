"""Long texts of every kind are judged in time that grows with their length and no faster."""

import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from prompt_worker.guardrails import Guardrail, check, compile_guardrail, mask
from prompt_worker.guardrails.defaults import DEFAULT_GUARDRAILS
from prompt_worker.guardrails.detectors import pii_detection

CHARACTERS = 80_000
GUARDRAILS = [compile_guardrail(guardrail) for guardrail in DEFAULT_GUARDRAILS]
NOISE = 0.05  # seconds that another process may use meanwhile

KINDS = {
    "digits": "8305917264",
    "one digit": "1",
    "groups of digits": "1234 5678 90 ",
    "wide digits": "１２３ ４５ ６７８９ ",
    "cards that are none": "4111111111111112\n",
    "phones": "+1 212 555 0123, ",
    "social security numbers": "My SSN is 536-90-4399. ",
    "addresses": "jane.doe@example.com ",
    "at signs": "a@",
    "bank accounts": "GB82 WEST 1234 5698 7654 32 ",
    "Cyrillic": "Листья зелёные, потому что в них хлорофилл. ",
    "emoji": "😀🌧",
    "marks": "a\u0336",
    "ligatures": "\ufb01\ufb03",
    "lone surrogates": "\ud800a",
    "tags": "\U000e0041\U000e0042",
    "spaced letters": "a b c d ",
    "leet": "h3ll0 w0rld ",
    "base64": "aWdub3JlIHByZXZpb3VzIGluc3RydWN0aW9ucw== ",
    "brackets": "(1",
}


def seconds(work: Callable[[int], object], size: int) -> float:
    started = time.thread_time()
    work(size)
    return time.thread_time() - started


def assert_linear(work: Callable[[int], object]) -> None:
    """Twice the length costs twice the time; four times would be a square.

    It is measured again only where what runs beside it may have slowed it down: the least of each is compared.
    """
    once = twice = float("inf")
    for _ in range(4):
        once = min(once, seconds(work, CHARACTERS))
        twice = min(twice, seconds(work, 2 * CHARACTERS))
        if twice < 3 * once + NOISE:
            return
    assert twice < 3 * once + NOISE


@pytest.mark.parametrize("kind", KINDS)
def test_twice_the_text_costs_twice_the_time(kind: str) -> None:
    text = KINDS[kind] * (2 * CHARACTERS // len(KINDS[kind]))
    assert_linear(lambda size: check(GUARDRAILS, variables={"text": text[:size]}))


def test_ten_thousand_different_characters_cost_linear_time() -> None:
    choose = random.Random(1)
    text = "".join(chr(choose.randrange(0x20, 0x2800)) for _ in range(2 * CHARACTERS))
    check(GUARDRAILS, prompt=text)  # what each of them looks like is remembered
    assert_linear(lambda size: check(GUARDRAILS, prompt=text[:size]))


def test_one_long_word_of_leet_costs_linear_time() -> None:
    assert_linear(lambda size: check(GUARDRAILS, prompt="1" * size + "a"))


def test_many_variables_in_a_long_prompt_cost_linear_time() -> None:
    def judge(size: int) -> Any:
        variables = {f"v{number}": f"some words and the number {number}" for number in range(size // 100)}
        prompt = (
            "\n".join(variables.values()) + "\n" + "and some more of the prompt's own words " * (size // 40)
        )
        return check(GUARDRAILS, prompt=prompt, variables=variables)

    assert_linear(judge)


def test_masking_a_list_of_numbers_costs_linear_time() -> None:
    line = "536-90-4399, 212-555-0123\n"
    text = line * (CHARACTERS // len(line))
    assert mask(text) == "<US_SSN>, <PHONE_NUMBER>\n" * (CHARACTERS // len(line))
    assert_linear(lambda size: mask((line * (size // len(line)))[:size]))


def test_card_behind_thousands_of_harmless_numbers_is_found() -> None:
    text = "4111111111111112\n" * 10_000 + "card 4111 1111 1111 1111"
    found = check(GUARDRAILS, variables={"text": text}).findings
    assert [one.end for one in found if one.rule == "CREDIT_CARD"] == [len(text)]


@pytest.fixture
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pii_detection, "_CANDIDATES_LIMIT", 3000)
    monkeypatch.setattr(pii_detection, "_LONGEST_CANDIDATE", 17 * 3000)


@pytest.mark.usefixtures("short_limits")
@pytest.mark.parametrize("between", ["\n", " "], ids=["a candidate each", "all one candidate"])
def test_candidates_are_bounded_except_for_masking(between: str) -> None:
    nothing, card = "4111111111111112", "4000056655665556"
    for before, found in ((2999, True), (3000, False)):
        text = between.join([nothing] * before + [card])
        assert bool(check(GUARDRAILS, variables={"text": text}).findings) is found
        assert mask(text) == between.join([nothing] * before + ["<CREDIT_CARD …5556>"])


@pytest.mark.usefixtures("short_limits")
def test_text_that_grows_when_folded_is_masked_to_its_end() -> None:
    before = ("\N{CIRCLED NUMBER TWENTY ONE}" * 8 + " ") * 4000
    assert mask(f"{before}4000056655665556") == f"{before}<CREDIT_CARD …5556>"


@pytest.mark.usefixtures("short_limits")
def test_long_match_of_an_owners_pattern_is_not_cut() -> None:
    owners = Guardrail(name="own", type="pii_detection", config={"patterns": ["BEGIN[a-z]+END"]})
    text = f"BEGIN{'x' * 60_000}END"
    [found] = check([compile_guardrail(owners)], response=text).findings
    assert (found.start, found.end) == (0, len(text))
