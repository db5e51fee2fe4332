"""The texts of one execution, each judged separately: every input variable, the prompt, the response.

**The template's own words trigger no guardrail.** What a guardrail judges in the prompt is what the input put there:

- with the template's text, the words between its Jinja tags are the template's, wherever they are in the prompt;
- without it, but with values of input variables in the prompt, everything outside these values is the template's;
- with neither, the two cannot be distinguished, and the whole prompt is judged.

What is found inside a variable's value is reported there, and not again for the prompt (see `evaluation.py`). So a
finding in `prompt` is one that only the rendered text shows: put together from several variables, or in a value that
the event's variables lack.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

from prompt_worker.guardrails.input_in_prompt import Span, input_in_prompt
from prompt_worker.guardrails.text.concealed import Concealed
from prompt_worker.guardrails.values_in_prompt import find_values
from prompt_worker.guardrails.variables import path_of, walk

PROMPT, RESPONSE = "prompt", "response"

# Texts of an execution that are remembered. Where there are more, they are walked again: an event may hold millions.
KEPT = 10_000


class Execution(Concealed, msgspec.Struct, frozen=True, gc=False):
    """What can be judged. `variables` may be nested; the template's name and category choose the guardrails."""

    prompt: str | None = None
    variables: Mapping[str, Any] | None = None
    response: str | None = None
    template_text: str | None = None
    template_name: str | None = None
    category: str | None = None
    # Whether the variables are JSON that was decoded, in which nothing occurs twice.
    decoded: bool = False


class Field(Concealed, msgspec.Struct, gc=False):
    """A text and its name."""

    name: str
    text: str


class Fields(Concealed, msgspec.Struct, gc=False):
    """What there is to judge in an execution: variables first, then the prompt, then the response.

    `prompt` is what the input put there; `values` are the spans in which it repeats variables.
    """

    execution: Execution
    # None where there are more than `KEPT`.
    variables: Sequence[str] | None
    prompt: str | None
    values: Sequence[Span]

    def texts(self) -> Iterator[str]:
        """All of them, the same one perhaps several times."""
        yield from _texts(self.execution) if self.variables is None else self.variables
        if self.prompt is not None:
            yield self.prompt
        if self.execution.response:
            yield self.execution.response

    def named(self, texts: Collection[str]) -> Iterator[Field]:
        """Each field whose text is one of `texts`."""
        execution = self.execution
        for steps, text in walk(execution.variables or {}, decoded=execution.decoded):
            if text in texts:
                yield Field(f"variable:{path_of(steps)}", text)
        if self.prompt in texts:
            yield Field(PROMPT, self.prompt)  # type: ignore[arg-type] # None is no text
        if execution.response in texts:
            yield Field(RESPONSE, execution.response)  # type: ignore[arg-type]


def fields(execution: Execution) -> Fields:
    """The fields of an execution; a prompt in which the input wrote nothing is none."""
    some = list(islice(_texts(execution), KEPT + 1))
    variables = some if len(some) <= KEPT else None
    if not execution.prompt:
        return Fields(execution, variables, None, ())
    values = list(find_values(execution.prompt, _texts(execution) if variables is None else variables))
    text = input_in_prompt(execution.prompt, values, execution.template_text)
    return Fields(execution, variables, None if text.isspace() else text, values)


def _texts(execution: Execution) -> Iterable[str]:
    return (text for _, text in walk(execution.variables or {}, decoded=execution.decoded))
