"""The three seeds as files of a service: the same texts to the byte, under the version that the schema has."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from prompt_worker import PromptTemplateService
from prompt_worker.prompts.folder.checking import Checked, check
from prompt_worker.prompts.folder.file import read_file
from tests.support.documents import REPOSITORY
from tests.support.events import SEED_TEMPLATES

FOLDER = REPOSITORY / "tests" / "examples" / "prompts"
MIGRATIONS = REPOSITORY / "schema" / "prompt_schema" / "migrations"
SEED = re.compile(
    r"\(\n    '(?P<name>\w+)',\n    '(?P<description>[^']*)',\n    '(?P<category>\w+)',\n"
    r"\$prompt\$(?P<text>.*?)\$prompt\$,\n    '(?P<variables>\[.*?\])'\n\)",
    re.DOTALL,
)


def seeds() -> list[dict[str, str]]:
    """As the migrations write them into a new database."""
    (migration,) = MIGRATIONS.glob("0008_*.sql")
    return [found.groupdict() for found in SEED.finditer(migration.read_text(encoding="utf-8"))]


def test_no_later_migration_changes_the_three_seeds() -> None:
    assert {seed["name"] for seed in seeds()} == set(SEED_TEMPLATES)
    later = "".join(
        path.read_text(encoding="utf-8") for path in MIGRATIONS.glob("*.sql") if path.name > "0009"
    )
    assert not re.search(r"UPDATE prompt_templates\s+SET template_text", later)


@pytest.mark.parametrize("seed", seeds(), ids=lambda seed: str(seed["name"]))
def test_file_of_a_seed_is_the_migrations_text_to_the_byte(seed: dict[str, str]) -> None:
    file = read_file((FOLDER / f"{seed['name']}.prompt").read_bytes())
    assert file.content.template_text.encode() == seed["text"].encode()
    assert file.content.variables == json.loads(seed["variables"])
    assert (file.front.description, file.front.category) == (seed["description"], seed["category"])


def test_folder_of_the_seeds_is_as_its_lock_says() -> None:
    assert check(FOLDER) == Checked(3, [], 0)
    prompts = PromptTemplateService.offline(FOLDER)
    assert [prompts.get(name).version for name in SEED_TEMPLATES] == [1, 1, 1]
    assert prompts.health().is_healthy


QUERY = {"student_query": 'Why is {{ 3 < 4 }} & "so"?'}


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        ("nlu_topic_extraction", QUERY),
        ("nlu_topic_extraction", {**QUERY, "interests": ["football", "é"]}),
        ("clarification_question_generation", {**QUERY, "interests": None}),
        (
            "educational_script_generation",
            {
                "topics": ["optics", "waves"],
                "rag_context": "C:\\new\\1",
                "grade_level": 8,
                "duration_seconds": 60,
            },
        ),
    ],
)
def test_seed_is_rendered_as_a_service_would_write_it(name: str, variables: dict[str, Any]) -> None:
    text = next(seed["text"] for seed in seeds() if seed["name"] == name)
    assert PromptTemplateService.offline(FOLDER).get(name).render(variables).text == by_hand(text, variables)


def by_hand(text: str, variables: dict[str, Any]) -> str:
    """The seeds use few tags: replaced one by one, in one pass, so that no value is read again."""
    interests = variables.get("interests")
    text = re.sub(
        r"\{% if interests %\}(.*?)\{% endif %\}",
        lambda found: found[1] if interests else "",
        text,
        flags=re.DOTALL,
    )
    values = {name: str(value) for name, value in variables.items()}
    values |= {
        f'{name} | join(", ")': ", ".join(value)
        for name, value in variables.items()
        if isinstance(value, list)
    }
    if "duration_seconds" in variables:
        values["(duration_seconds * 2.4) | round | int"] = str(round(variables["duration_seconds"] * 2.4))
    return re.sub(r"\{\{ (.*?) \}\}", lambda found: values[found[1]], text)


def test_examples_are_no_part_of_the_package() -> None:
    assert not list((REPOSITORY / "worker").rglob("*.prompt"))
    assert Path(FOLDER / "prompts.lock").exists()
