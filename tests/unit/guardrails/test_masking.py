"""Masked is masked: nothing is found in what `mask` returns, whatever stood beside what."""

import json
import random
from collections.abc import Callable, Iterator

import pytest
from stdnum import iban, luhn

from prompt_worker.guardrails import Guardrail, check, mask, mask_all

SEPARATORS = (" ", "/", ", ", "; ", "\n", " - ", "\t", "_", "|", " and ", "  ", ":", ". ", " / ", ",", "-")
CONTEXTS = (
    *(
        "{}",
        "card, phone: {}",
        '"{}"',
        "<td>{}</td>",
        "({})",
        "x={}",
        "my {} thanks",
        "{}.",
        "> {}",
        "* {}\n",
    ),
    *(
        "[{}]",
        "`{}`",
        '{{"a": "{}"}}',
        "call {}",
        "no. {},",
        "say {} end",
        "é {} ü",
        "**{}**",
        "('{}')",
        "a,{},b",
    ),
)
Make = Callable[[random.Random], str]


def card(choose: random.Random) -> str:
    prefix, length = choose.choice([("4", 16), ("51", 16), ("37", 15), ("6011", 16), ("3530", 16)])
    body = prefix + "".join(choose.choices("0123456789", k=length - len(prefix) - 1))
    number = body + luhn.calc_check_digit(body)
    sizes = (4, 6, 5) if length == 15 else (4, 4, 4, 4)
    ends = [sum(sizes[: index + 1]) for index in range(len(sizes))]
    groups = [number[end - size : end] for size, end in zip(sizes, ends, strict=True)]
    return choose.choice(["", " ", "-", ".", "/", "_", " - "]).join(groups)


def ssn(choose: random.Random) -> str:
    return f"{choose.randint(100, 665):03}-{choose.randint(1, 99):02}-{choose.randint(1, 9999):04}"


def phone(choose: random.Random) -> str:
    layout = choose.choice(["{}-{}-{}", "({}) {}-{}", "{}.{}.{}", "+1 {} {} {}", "[{}] {}-{}"])
    return layout.format(choose.randint(201, 989), choose.randint(201, 989), f"{choose.randint(0, 9999):04}")


def email(choose: random.Random) -> str:
    return choose.choice(["jane.doe", "a_b"]) + choose.choice(
        ["@example.com", " [at] example.com", "%40example.net"]
    )


def account(choose: random.Random) -> str:
    body = "WEST" + "".join(choose.choices("0123456789", k=14))
    number = f"GB{iban.calc_check_digits('GB00' + body)}{body}"
    return choose.choice(["", " ", "-"]).join(number[start : start + 4] for start in range(0, len(number), 4))


MAKERS: tuple[Make, ...] = (card, ssn, phone, email, account)


def mixtures(seed: int, number: int) -> Iterator[str]:
    choose = random.Random(seed)
    for _ in range(number):
        values = [make(choose) for make in choose.choices(MAKERS, k=choose.choice([2, 2, 3]))]
        yield choose.choice(CONTEXTS).format(choose.choice(SEPARATORS).join(values))


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_found_in_what_was_masked(seed: int) -> None:
    guardrail = Guardrail(name="pii", type="pii_detection", config={})
    texts = list(mixtures(seed, 500))
    changed = 0
    for text in texts:
        masked = mask(text)
        changed += masked != text
        assert check([guardrail], prompt=masked).findings == (), text
    # All but a few in a context that speaks of another kind of number.
    assert changed >= 0.97 * len(texts)


@pytest.mark.parametrize(
    "text",
    [
        '{"card": 4000056655665556, "sums": [5500000000000004, 3], "note": "SSN 536-90-4399", "n": -4000056655665556}',
        '["jane@example.com", 4000056655665556]',
        '{"a": "jane\\u0040example.com\\n4000 0566 5566 5556"}',
    ],
)
def test_masked_json_is_still_json(text: str) -> None:
    masked = mask(text)
    assert masked != text
    json.loads(masked)
    assert "4000056655665556" not in masked


def test_keys_that_mask_alike_are_all_kept() -> None:
    masked = mask_all({"jane@example.com": 1, "joe@example.com": 2, 1: "a", "1": "b"})
    assert masked == {"<EMAIL_ADDRESS>": 1, "<EMAIL_ADDRESS> (2)": 2, "1": "a", "1 (2)": "b"}


def test_iterators_and_sets_are_read_and_masked() -> None:
    lines = (line for line in ["SSN 536-90-4399", "hello"])
    masked = mask_all({"lines": lines, "people": {"jane@example.com"}})
    assert masked == {"lines": ["SSN <US_SSN>", "hello"], "people": ["<EMAIL_ADDRESS>"]}


def test_pattern_that_finds_its_own_placeholder_comes_to_an_end() -> None:
    greedy = Guardrail(name="all", type="pii_detection", config={"patterns": [r"[\pL_]+"]})
    assert mask("some words", greedy) == "<PATTERN_1> <PATTERN_1>"
