"""What models answer to pupils triggers no guardrail, neither as a response nor as a question."""

import pytest

from prompt_worker.guardrails import check
from prompt_worker.guardrails.defaults import DEFAULT_GUARDRAILS
from prompt_worker.guardrails.detectors.texts import Texts
from tests.unit.guardrails.ordinary_answers import ORDINARY_ANSWERS


@pytest.mark.parametrize("field", ["response", "prompt"])
def test_ordinary_answers_are_not_flagged(field: str) -> None:
    for answer in ORDINARY_ANSWERS:
        assert check(DEFAULT_GUARDRAILS, **{field: answer}).findings == (), answer


def test_passages_without_a_letter_skip_the_models() -> None:
    assert Texts(["2718281828 " * 30, "=" * 400, "\n\n1 + 1 = 2", "٣ + ٤"]).windows == []
    assert len(Texts(["1 + x = 2"]).windows) == 1
