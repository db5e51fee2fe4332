"""Whoever may create in schema public gets nobody's rights: by no operator, function, or table put before ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

import psycopg2
import pytest
from psycopg2.extensions import connection

# Each notes as whom it runs, and then does what pg_catalog's own would do.
OPERATORS = [("varchar", "texteq"), ("text", "texteq"), ("uuid", "uuid_eq"), ("bpchar", "bpchareq")]
NOTE = "INSERT INTO public.ran_as SELECT current_user, {what}"


@pytest.fixture
def owner(database: str) -> Iterator[connection]:
    with closing(psycopg2.connect(database)) as opened:
        opened.autocommit = True
        yield opened


@pytest.fixture
def attacker(owner: connection) -> Iterator[str]:
    """A login without rights, in a database where everybody may create in schema public, as before PostgreSQL 15."""
    name = f"attacker_{uuid4().hex[:8]}"
    run(owner, f"CREATE ROLE {name} LOGIN; GRANT CREATE, USAGE ON SCHEMA public TO {name}")
    run(owner, "CREATE TABLE ran_as (who name, what text); GRANT INSERT ON ran_as TO PUBLIC")
    run(owner, f"SET ROLE {name}")
    for number, (kind, real) in enumerate(OPERATORS):
        run(
            owner,
            f"CREATE FUNCTION public.equal_{number}({kind}, {kind}) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN "
            f"{NOTE.format(what=repr(kind))}; RETURN {real}($1, $2); END $$;"
            f"CREATE OPERATOR public.= (LEFTARG = {kind}, RIGHTARG = {kind}, PROCEDURE = public.equal_{number}, "
            f"COMMUTATOR = OPERATOR(public.=), RESTRICT = eqsel, JOIN = eqjoinsel)",
        )
    run(
        owner,
        "CREATE FUNCTION public.jsonb_object_keys(jsonb) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN "
        f"{NOTE.format(what=repr('function'))}; RETURN QUERY SELECT pg_catalog.jsonb_object_keys($1); END $$;"
        "CREATE FUNCTION public.coalesced(varchar, varchar) RETURNS varchar LANGUAGE sql AS 'SELECT $1'",
    )
    run(owner, "RESET ROLE")
    yield name
    run(owner, f"DROP OWNED BY {name} CASCADE")
    run(owner, f"DROP ROLE {name}")


def run(database: connection, sql: str) -> list[tuple[object, ...]]:
    with database.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


def as_role(owner: connection, role: str, *statements: str) -> set[object]:
    """Runs them as a login of that role; as whom the attacker's code ran besides the login itself."""
    login = f"login_{uuid4().hex[:8]}"
    run(owner, f"CREATE ROLE {login} LOGIN IN ROLE {role}; TRUNCATE ran_as")
    try:
        run(owner, f"SET SESSION AUTHORIZATION {login}")
        for statement in statements:
            run(owner, statement)
    finally:
        run(owner, "RESET SESSION AUTHORIZATION")
        run(owner, f"DROP OWNED BY {login}; DROP ROLE {login}")
    return {who for (who,) in run(owner, "SELECT DISTINCT who FROM ran_as")} - {login}


TABLES_IN_FRONT = (
    "CREATE TEMPORARY TABLE {0} (id uuid, name text, template_name text, total_executions integer)"
)
INSERT_EXECUTION = """
    INSERT INTO public.prompt_executions (id, template_id, template_name, template_version, ab_test_group,
        input_variables, rendered_prompt, status, executed_at)
    VALUES (gen_random_uuid(), '{template}', 'nlu_topic_extraction', 1, 'control', '{{}}', 'p', 'success', now())
"""
INSERT_EVALUATION = """
    INSERT INTO public.guardrail_evaluations (event_id, guardrail_ids, outcome, detector_version, evaluation_ms)
    VALUES (gen_random_uuid(), '{{{guardrail}}}', 'allow', '1', 1)
"""


def test_counting_an_execution_runs_no_code_of_others(owner: connection, attacker: str) -> None:
    ((template,),) = run(owner, "SELECT id FROM prompt_templates WHERE name = 'nlu_topic_extraction'")
    run(
        owner,
        "INSERT INTO ab_test_experiments (name, template_name, status, control_template_id, variant_template_ids, "
        "traffic_allocation, primary_metric) VALUES "
        f"('t', 'nlu_topic_extraction', 'active', '{template}', '{{}}', '{{}}', 'm')",
    )
    ran_as = as_role(
        owner,
        "prompt_execution_worker",
        TABLES_IN_FRONT.format("prompt_templates"),
        TABLES_IN_FRONT.format("ab_test_experiments"),
        INSERT_EXECUTION.format(template=template),
    )
    assert ran_as == set()
    assert run(owner, f"SELECT total_executions FROM public.prompt_templates WHERE id = '{template}'") == [
        (1,)
    ]
    assert run(
        owner, "SELECT total_executions FROM public.ab_test_experiments WHERE name::text = 't'::text"
    ) == [(1,)]


def test_counting_an_evaluation_runs_no_code_of_others(owner: connection, attacker: str) -> None:
    ((guardrail,),) = run(owner, "SELECT id FROM prompt_guardrails ORDER BY id LIMIT 1")
    statement = INSERT_EVALUATION.format(guardrail=guardrail)
    front = TABLES_IN_FRONT.format("prompt_guardrails")
    assert as_role(owner, "prompt_guardrail_worker", front, statement) == set()
    assert run(owner, f"SELECT total_checks FROM public.prompt_guardrails WHERE id = '{guardrail}'") == [(1,)]


def test_what_an_operator_may_do_runs_no_code_of_others(owner: connection, attacker: str) -> None:
    ((template,),) = run(owner, "SELECT id FROM prompt_templates WHERE name = 'nlu_topic_extraction'")
    run(
        owner,
        "INSERT INTO public.prompt_templates (name, template_text, version, is_active) "
        "VALUES ('new', '-', 1, true), ('new', '-', 2, false)",
    )
    ran_as = as_role(
        owner,
        "prompt_operator",
        f"SELECT public.rebuild_template_statistics('{template}')",
        "SELECT public.resolve_dead_letters()",
        "UPDATE public.prompt_templates SET is_active = true WHERE name::text = 'new' AND version = 2",
        "UPDATE public.prompt_registry SET epoch = epoch + 1",
    )
    assert ran_as == set()
    active = "SELECT version FROM public.prompt_templates WHERE name::text = 'new'::text AND is_active"
    assert run(owner, active) == [(2,)]


def test_releasing_a_prompt_runs_no_code_of_others(owner: connection, attacker: str) -> None:
    front = TABLES_IN_FRONT.format("prompt_registry")
    assert (
        as_role(
            owner,
            "prompt_editor",
            front,
            "SELECT public.next_prompt_version('new')",
            "INSERT INTO public.prompt_templates (name, template_text, version, category) VALUES "
            "('new', '{% include \"a\" %}', NULL, 'c')",
            "INSERT INTO public.prompt_translations (template_id, language, template_text) "
            "SELECT id, 'de', 'x' FROM public.prompt_templates WHERE name::text = 'new'",
            "INSERT INTO public.prompt_labels (name, label, template_id) "
            "SELECT name, 'staging', id FROM public.prompt_templates WHERE name::text = 'new'",
        )
        == set()
    )
    run(owner, "UPDATE public.prompt_names SET approvals_needed = 1")
    assert (
        as_role(
            owner,
            "prompt_approver",
            front,
            "INSERT INTO public.prompt_reviews (template_id, content_sha256, verdict) "
            "SELECT id, content_sha256, 'approved' FROM public.prompt_templates WHERE name::text = 'new'",
            "UPDATE public.prompt_templates SET is_active = true WHERE name::text = 'new'",
            "UPDATE public.prompt_names SET blocked_reason = 'x' WHERE name::text = 'new'",
            "DELETE FROM public.prompt_labels",
        )
        == set()
    )
    assert run(owner, "SELECT is_active FROM public.prompt_templates WHERE name::text = 'new'::text") == [
        (True,)
    ]


def test_nobody_may_create_in_public_after_a_migration(owner: connection) -> None:
    assert run(owner, "SELECT has_schema_privilege('public', 'public', 'CREATE')") == [(False,)]
