"""A version written as a file reads back as the very same content, whatever is in it."""

from __future__ import annotations

import random
from typing import Any

import pytest

from prompt_worker.prompts.content import Content, Message, make_content
from prompt_worker.prompts.errors import TemplateFaultError
from prompt_worker.prompts.folder.file import read_file
from prompt_worker.prompts.folder.writing import UnwritableError, write_file
from tests.unit.prompts.test_rendering import random_json

ODD_TEXTS = [
    "",
    "\n",
    "+++\n+++\n",
    "a\n+++\nb",
    "it's '''three''' and 'one'",
    'quotes """ and \\ and \\n',
    "\x00\x01\x1f\x7f".replace("\x00", ""),
    "\tindented\n\n\n",
    "é \N{GRINNING FACE} \u2028 \u0085",
    "no newline at the end",
    "'",
    "ends with '\n'",
]


def content(text: str = "Hi\n", **fields: Any) -> Content:
    return make_content(text, fields.pop("messages", None), fields.pop("translations", {}), **fields)


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_odd_text_reads_back_in_every_place(text: str) -> None:
    for made in (
        content(text),
        content(translations={"de": text, "de-AT": f"{text}{text}"}),
        content(messages=(Message(role="system", content=text), Message(history="turns"))),
        content(model_config={text: text, "a b": [text, {"x": text}]}),
    ):
        raw = write_file(made, description=text, category="maths")
        read = read_file(raw)
        assert read.content == made
        assert (read.front.description, read.front.category) == (text.replace("\r", "\n"), "maths")


@pytest.mark.parametrize(
    "fields",
    [
        {"variables": ["a", "b"]},
        {"variables": {"a": {"type": "list", "default": None}, "b c": {"required": True}}},
        {"variables": {}},
        {"output_schema": {}},
        {"output_schema": {"type": "object", "default": None}},
        {"model_config": {"temperature": 0.2, "n": 10**30, "e": 1e300, "stop": [[], {}]}},
        {
            "translations": {"de": (Message(role="user", content="Hallo"),)},
            "messages": (Message(role="user", content="Hi"),),
        },
    ],
)
def test_fields_that_toml_lacks_read_back(fields: dict[str, Any]) -> None:
    made = content(**fields)
    assert read_file(write_file(made)).content.sha256 == made.sha256


def test_random_contents_read_back() -> None:
    chance = random.Random(7)
    for _ in range(300):
        made = content(
            "".join(chance.choices(ODD_TEXTS, k=3)),
            variables={f"v{at}": {"default": random_json(chance)} for at in range(chance.randrange(4))},
            model_config={chance.choice(["a", "b.c", "+++", ""]): random_json(chance)},
            translations={"de": chance.choice(ODD_TEXTS)},
        )
        assert read_file(write_file(made)).content.sha256 == made.sha256


def test_simple_file_looks_as_a_person_writes_it() -> None:
    made = content("Hi {{ a }}\n", variables={"a": {"type": "string"}}, model_config={"temperature": 0.2})
    assert write_file(made, description="Says hi.").decode() == (
        '+++\ndescription = "Says hi."\n\n[variables]\na = { type = "string" }\n\n'
        "[model_config]\ntemperature = 0.2\n+++\nHi {{ a }}\n"
    )


def test_content_that_no_file_holds_is_an_error() -> None:
    with pytest.raises(UnwritableError, match="what is read back differs"):
        write_file(Content(template_text="a\r\nb"))


def test_chat_without_a_message_is_a_fault() -> None:
    with pytest.raises(TemplateFaultError, match="line 2, column 1: a chat has at least one message"):
        read_file(b"+++\nmessages = []\n+++\n")


@pytest.mark.parametrize("text", ["'nothing'", "'[1]'", "'''\n[[[[\n'''", """'{"a": "\\ud800"}'"""])
def test_text_that_is_no_json_is_a_fault_with_its_line(text: str) -> None:
    with pytest.raises(TemplateFaultError, match="line 3, column 1: model_config is a text"):
        read_file(f"+++\n\nmodel_config = {text}\n+++\nHi".encode())
