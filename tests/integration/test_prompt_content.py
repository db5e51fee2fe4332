"""A version's hash in the database is the one that a service computes, whoever writes the version and however."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from queries import rows, scalar
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from prompt_worker.prompts.content import Message, make_content
from tests.support.versions import create

pytestmark = pytest.mark.usefixtures("warm_checks")

VECTORS = (Path(__file__).parents[1] / "unit/prompts/content_vectors.json").read_text(encoding="utf-8")
INSERT = """
    INSERT INTO prompt_templates (name, version, template_text, messages, variables, model_config, output_schema)
    SELECT 'vector ' || place, 1, content ->> 'template_text', content -> 'messages',
           coalesce(content -> 'variables', '[]'), coalesce(content -> 'model_config', '{}'), content -> 'output_schema'
    FROM jsonb_array_elements(CAST(:vectors AS jsonb)) WITH ORDINALITY v (vector, place),
         LATERAL (SELECT vector -> 'content') c (content)
"""
TRANSLATE = """
    INSERT INTO prompt_translations (template_id, language, template_text, messages)
    SELECT t.id, l.key, CASE jsonb_typeof(l.value) WHEN 'string' THEN l.value #>> '{}' END,
           CASE jsonb_typeof(l.value) WHEN 'array' THEN l.value END
    FROM jsonb_array_elements(CAST(:vectors AS jsonb)) WITH ORDINALITY v (vector, place),
         LATERAL jsonb_each(vector #> '{content,translations}') l
    JOIN prompt_templates t ON true
    WHERE t.name = 'vector ' || place
"""


def hashed(engine: Engine, template: UUID) -> str:
    return str(scalar(engine, "SELECT content_sha256 FROM prompt_templates WHERE id = :id", id=template))


def test_database_hashes_each_vector_as_a_service(engine: Engine) -> None:
    rows(engine, INSERT, vectors=VECTORS)
    rows(engine, TRANSLATE, vectors=VECTORS)
    wrong = """
        SELECT place, vector ->> 'sha256', t.content_sha256
        FROM jsonb_array_elements(CAST(:vectors AS jsonb)) WITH ORDINALITY v (vector, place)
        LEFT JOIN prompt_templates t ON t.name = 'vector ' || place
        WHERE t.content_sha256 IS DISTINCT FROM vector ->> 'sha256'
    """
    assert rows(engine, wrong, vectors=VECTORS) == []
    assert scalar(engine, "SELECT count(*) FROM prompt_templates WHERE name LIKE 'vector %'") == 6


@pytest.mark.parametrize("digits", ["-15", "0", "3"])
def test_hash_depends_on_no_setting_of_the_session(engine: Engine, digits: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"SET LOCAL extra_float_digits = {digits}"))
        canonical = connection.scalar(text("SELECT prompt_canonical_json('[0.1, 0.30000000000000004]')"))
    assert canonical == "[0.1,0.30000000000000004]"


def test_seeds_have_the_hash_of_their_text(engine: Engine) -> None:
    for name, template_text, variables, sha256 in rows(
        engine, "SELECT name, template_text, variables, content_sha256 FROM prompt_templates"
    ):
        assert sha256 == make_content(template_text, None, {}, variables=variables).sha256, name


def test_lines_end_with_a_line_feed_once_saved(engine: Engine) -> None:
    template = create(engine, template_text="a\r\nb\rc\n")
    rows(
        engine,
        "INSERT INTO prompt_translations (template_id, language, template_text) VALUES (:id, 'de', 'ä\r\n')",
        id=template,
    )
    assert rows(
        engine,
        "SELECT t.template_text, l.template_text FROM prompt_templates t "
        "JOIN prompt_translations l ON l.template_id = t.id",
    ) == [("a\nb\nc\n", "ä\n")]
    assert hashed(engine, template) == make_content("a\nb\nc\n", None, {"de": "ä\n"}).sha256
    rows(engine, "UPDATE prompt_templates SET template_text = 'x\r\ny' WHERE id = :id", id=template)
    assert scalar(engine, "SELECT template_text FROM prompt_templates WHERE id = :id", id=template) == "x\ny"


def test_text_of_a_chat_follows_from_its_messages(engine: Engine) -> None:
    chat = """
        INSERT INTO prompt_templates (name, messages) VALUES ('chat', CAST(:messages AS jsonb)) RETURNING id
    """
    ((template,),) = rows(
        engine,
        chat,
        messages='[{"role": "system", "content": "Be brief.\\r\\n", "history": null}, {"history": "turns"}, '
        '{"role": "user", "content": "{{ q }}"}]',
    )
    messages = (
        Message(role="system", content="Be brief.\n"),
        Message(history="turns"),
        Message(role="user", content="{{ q }}"),
    )
    content = make_content("", messages, {})
    assert rows(
        engine, "SELECT template_text, content_sha256 FROM prompt_templates WHERE id = :id", id=template
    ) == [(content.template_text, content.sha256)]
    with pytest.raises(IntegrityError, match="its template_text follows from its messages"):
        rows(engine, "UPDATE prompt_templates SET template_text = 'x' WHERE id = :id", id=template)
    rows(
        engine,
        "UPDATE prompt_templates SET template_text = 'x', messages = 'null' WHERE id = :id",
        id=template,
    )
    assert hashed(engine, template) == make_content("x", None, {}).sha256


@pytest.mark.parametrize(
    "messages",
    [
        "[]",
        "{}",
        '"text"',
        "[1]",
        '[{"role": "tool", "content": "x"}]',
        '[{"role": "user"}]',
        '[{"content": "x"}]',
        '[{"role": "user", "content": 1}]',
        '[{"role": "user", "content": "x", "history": "turns"}]',
        '[{"role": "user", "content": "x", "name": "ann"}]',
        '[{"history": ["turns"]}]',
        '[{"role": "user", "content": "x"}, null]',
    ],
)
def test_messages_that_are_no_chat_are_refused(engine: Engine, messages: str) -> None:
    for statement in (
        "INSERT INTO prompt_templates (name, messages) VALUES ('chat', CAST(:messages AS jsonb))",
        "INSERT INTO prompt_translations (template_id, language, messages) "
        "SELECT id, 'de', CAST(:messages AS jsonb) FROM prompt_templates LIMIT 1",
    ):
        with pytest.raises(IntegrityError, match="each has a role and content, or history"):
            rows(engine, statement, messages=messages)


@pytest.mark.parametrize("language", ["", "d", "german language", "de_AT", "de-", "x" * 36])
def test_language_that_is_none_is_refused(engine: Engine, language: str) -> None:
    with pytest.raises(Exception, match=r"check constraint|too long"):
        rows(
            engine,
            "INSERT INTO prompt_translations (template_id, language, template_text) "
            "SELECT id, :language, 'x' FROM prompt_templates LIMIT 1",
            language=language,
        )


def test_hash_and_author_are_never_the_clients_word(engine: Engine) -> None:
    template = create(engine)
    true = rows(engine, "SELECT content_sha256, author FROM prompt_templates WHERE id = :id", id=template)
    rows(
        engine,
        "UPDATE prompt_templates SET content_sha256 = repeat('0', 64), author = 'somebody' WHERE id = :id",
        id=template,
    )
    rows(
        engine,
        "INSERT INTO prompt_templates (name, template_text, content_sha256, author, created_by) "
        "VALUES ('other', 'Hello', repeat('0', 64), 'somebody', 'somebody')",
    )
    stored = "SELECT content_sha256, author FROM prompt_templates WHERE id = :id OR name = 'other'"
    assert (
        rows(engine, stored, id=template)
        == true * 2
        == [(make_content("Hello", None, {}).sha256, "postgres")] * 2
    )


def test_translation_moved_or_deleted_changes_the_hash(engine: Engine) -> None:
    one, other = create(engine), create(engine)
    plain, translated = (
        make_content("Hello", None, {}).sha256,
        make_content("Hello", None, {"de": "Hallo"}).sha256,
    )
    rows(
        engine,
        "INSERT INTO prompt_translations (template_id, language, template_text) VALUES (:id, 'de', 'Hallo')",
        id=one,
    )
    assert (hashed(engine, one), hashed(engine, other)) == (translated, plain)
    rows(engine, "UPDATE prompt_translations SET template_id = :id", id=other)
    assert (hashed(engine, one), hashed(engine, other)) == (plain, translated)
    rows(engine, "DELETE FROM prompt_translations")
    assert (hashed(engine, one), hashed(engine, other)) == (plain, plain)


@pytest.mark.parametrize("number", ["1e5000", "-1e400"])
def test_number_that_no_reader_takes_is_refused(engine: Engine, number: str) -> None:
    for statement in (
        "INSERT INTO prompt_templates (name, template_text, model_config) VALUES ('odd', 'x', CAST(:given AS jsonb))",
        "UPDATE prompt_names SET rules = jsonb_build_array(CAST(:given AS jsonb))",
    ):
        with pytest.raises(IntegrityError, match="digits is too large"):
            rows(engine, statement, given=f'{{"a": {number}}}')
