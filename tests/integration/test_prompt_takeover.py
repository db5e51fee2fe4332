"""A database in use gets the registry: nothing of it is lost, and the programs that write it go on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from queries import rows, scalar
from sqlalchemy import Engine, text

from prompt_schema.migrate import MIGRATIONS, migrate
from prompt_schema.verify import verify
from prompt_worker.prompts.content import make_content

pytestmark = pytest.mark.usefixtures("few_months")

FREEZE = 'SELECT "freeze" FROM prompt_registry'


def test_database_taken_over_changes_in_place_as_before(live: Engine) -> None:
    texts = rows(live, "SELECT id, template_text FROM prompt_templates ORDER BY id")
    migrate(live)
    assert scalar(live, FREEZE) == "record"
    ours = "SELECT id, template_text FROM prompt_templates WHERE id = ANY(:ids) ORDER BY id"
    assert rows(live, ours, ids=[template for template, _ in texts]) == texts
    for template_text, variables, sha256 in rows(
        live, "SELECT template_text, variables, content_sha256 FROM prompt_templates"
    ):
        assert sha256 == make_content(template_text, None, {}, variables=variables or []).sha256
    assert rows(
        live,
        "SELECT name FROM (SELECT name, version FROM prompt_templates UNION SELECT name, version "
        "FROM prompt_template_names) known LEFT JOIN prompt_names n USING (name) "
        "GROUP BY name HAVING min(next_version) IS NULL OR min(next_version) <= max(version)",
    ) == []  # fmt: skip
    # What its programs do goes on, and is seen.
    revision = scalar(live, "SELECT revision FROM prompt_registry")
    rows(live, "UPDATE prompt_templates SET template_text = template_text || '.' WHERE is_active")
    rows(
        live,
        "INSERT INTO prompt_templates (name, template_text, version, is_active) "
        "SELECT name, 'new', max(version) + 1, true FROM prompt_templates GROUP BY name",
    )
    assert scalar(live, "SELECT revision FROM prompt_registry") == revision + 2
    assert scalar(live, "SELECT count(*) FROM prompt_history WHERE action = 'edited'") > 0
    assert [check for check in verify(live) if not check.ok] == []


@pytest.mark.parametrize(
    ("used", "freeze"),
    [
        ("SELECT", "enforce"),
        ("INSERT INTO prompt_templates (name, template_text) VALUES ('ours', '-')", "record"),
        ("INSERT INTO prompt_templates (name, version, template_text, created_by) "
         "SELECT name, 2, '-', 'system' FROM prompt_templates LIMIT 1", "record"),
        ("INSERT INTO prompt_executions (template_id, template_name, template_version, input_variables, "
         "rendered_prompt, status) SELECT id, name, 1, '{}', '-', 'success' FROM prompt_templates", "record"),
    ],
)  # fmt: skip
def test_content_is_frozen_at_once_where_nobody_wrote_yet(
    empty_engine: Engine, tmp_path: Path, used: str, freeze: str
) -> None:
    """A database made by the version before."""
    for path in sorted(MIGRATIONS.glob("*.sql")):
        if path.name < "0027":
            shutil.copy(path, tmp_path)
    migrate(empty_engine, folder=tmp_path)
    with empty_engine.begin() as connection:
        connection.execute(text(used))
    migrate(empty_engine)
    assert scalar(empty_engine, FREEZE) == freeze
    assert [check for check in verify(empty_engine) if not check.ok] == []
