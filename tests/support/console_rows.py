"""A database as a console shows it after some weeks: something on every page; `odd` is put into every text."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta

import psycopg2
from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.engine import connect
from tests.support.events import body
from tests.support.experimenting import add_experiment, add_versions
from tests.support.replaying import letter, store

NAME = "tutor/hints"
EXECUTION = "0198c0de-0000-7000-8000-00000000e1ec"
SECRET = "a text that only its readers see"

_VERSION = (
    "INSERT INTO prompt_templates (name, version, description, category, template_text, is_active, created_by, "
    "ab_test_group) VALUES (%s, %s, %s, %s, %s, false, %s, %s) RETURNING id::text"
)
_ACTIVATE = "UPDATE prompt_templates SET is_active = true, updated_by = 'a' WHERE name = %s AND version = %s"
_REVIEW = (
    "INSERT INTO prompt_reviews (template_id, content_sha256, includes, verdict, comment) "
    "SELECT id, content_sha256, '{}', 'approved', %s FROM prompt_templates WHERE name = %s AND version = 3"
)
_EXECUTIONS = """
INSERT INTO prompt_executions (id, template_id, template_name, template_version, user_id, session_id, input_variables,
    rendered_prompt, model_response, execution_time_ms, token_count, cost_usd, status, error_message, error_type,
    executed_at, environment, service, selection, language, guardrail_violations)
SELECT CASE n WHEN 0 THEN %(first)s::uuid ELSE uuid_v7() END, t.id, t.name, t.version,
    left('user-' || n %% 7 || %(odd)s, 255), left('s' || %(odd)s, 255),
    jsonb_build_object('question', %(secret)s::text || %(odd)s), %(secret)s || %(odd)s,
    %(secret)s || %(odd)s, 200 + n * 37 %% 900, 100 + n, 0.0012 * (n %% 5 + 1),
    CASE WHEN n %% 13 = 0 THEN 'failure' WHEN n %% 17 = 0 THEN 'blocked' ELSE 'success' END,
    %(odd)s, left('Timeout' || %(odd)s, 100), now() - n * interval '11 minutes', left('production' || %(odd)s, 50),
    left('tutor-' || n %% 2 || %(odd)s, 100), left('production' || %(odd)s, 50), left('en' || %(odd)s, 35),
    jsonb_build_array(jsonb_build_object('guardrail_name', %(odd)s))
FROM generate_series(0, %(number)s - 1) n
JOIN prompt_templates t ON t.name = %(name)s AND t.version = CASE WHEN n > 30 THEN 1 ELSE 2 END
"""
_VIOLATIONS = """
INSERT INTO guardrail_violations (event_id, source, guardrail_id, guardrail_name, guardrail_type, severity, action,
    template_name, user_id, environment, field, rule, preview, executed_at)
SELECT CASE n WHEN 0 THEN %(first)s::uuid ELSE uuid_v7() END, 'worker', g.id, g.name, g.guardrail_type, 'high', 'warn',
    %(name)s, left(%(odd)s, 255), left(%(odd)s, 50), left('prompt' || %(odd)s, 255), left('email' || %(odd)s, 255),
    left('a***@b.c' || %(odd)s, 255), now() - n * interval '13 minutes'
FROM generate_series(0, 59) n CROSS JOIN (SELECT * FROM prompt_guardrails ORDER BY id LIMIT 1) g
"""
_LOOK = (
    "INSERT INTO ab_test_looks (experiment_id, phase, looked_at, planned, verdict, reason, units, p_value, ratio_p, "
    "intervals, numbers) VALUES (%s, 1, %s, %s, %s, %s, %s, %s, 0.61, %s, %s)"
)


def fill(database: str, odd: str = "", *, executions: int = 120) -> None:
    """The prompt `NAME` has three versions, the second in production; `EXECUTION` is one of them."""
    with closing(psycopg2.connect(database)) as connection:
        with connection.cursor() as cursor:
            _prompts(cursor, odd)
            parameters = {
                "first": EXECUTION,
                "odd": odd,
                "secret": SECRET,
                "name": NAME,
                "number": executions,
            }
            cursor.execute(_EXECUTIONS, parameters)
            cursor.execute(_VIOLATIONS, parameters)
            cursor.execute(
                "INSERT INTO prompt_guardrails (name, description, guardrail_type, severity, action, config, "
                "is_active) VALUES (%s, %s, %s, 'high', 'warn', %s, false)",
                (f"own{odd}"[:255], odd, "content_policy", json.dumps({odd: [odd]})),
            )
        connection.commit()
    _dead_letters(database, odd)
    _experiment(database, odd)


def _prompts(cursor: cursor, odd: str) -> None:
    cursor.execute("SELECT set_config('prompt_worker.reason', %s, false)", (f"clearer hints {odd}",))
    for version in (1, 2, 3):
        text = f"Give a hint in {version} sentences.\nBe kind.{odd}\n" + "Answer in {{ language }}.\n"
        cursor.execute(_VERSION, (NAME, version, f"hints {odd}", f"tutoring{odd}"[:100], text, "ada", None))
    for version in (1, 2):
        cursor.execute(_ACTIVATE, (NAME, version))
    cursor.execute(
        "INSERT INTO prompt_labels (name, label, template_id) "
        "SELECT name, 'beta', id FROM prompt_templates WHERE name = %s AND version = 3",
        (NAME,),
    )
    cursor.execute("SELECT set_config('prompt_worker.person', %s, false)", (f"bob{odd}"[:255],))
    cursor.execute(_REVIEW, (f"reads well {odd}", NAME))
    # A name of any characters, as another program may have written it.
    other = f"other{odd}"[:255]
    cursor.execute(_VERSION, (other, 1, odd, None, f"text {odd}", f"author{odd}"[:255], None))
    cursor.execute(
        "UPDATE prompt_names SET blocked_reason = %s WHERE name = %s", (f"wrong facts {odd}", other)
    )


def _dead_letters(database: str, odd: str) -> None:
    made = [
        letter(
            body(template_name=f"unknown {odd}"[:255], rendered_prompt=f"{SECRET}{odd}"),
            reason=f"no template unknown{odd}",
        )
        for _ in range(7)
    ]
    made.append(letter(f"no JSON {SECRET} {odd}".encode(), "invalid_json", f"not JSON {odd}"))
    store(database, made)


def _experiment(database: str, odd: str) -> None:
    engine = connect(database, application_name="tests")
    try:
        add_versions(engine)
        made = add_experiment(engine, f"wording{odd}"[:255])
    finally:
        engine.dispose()
    start = datetime.now(UTC) - timedelta(days=9)
    with closing(psycopg2.connect(database)) as connection, connection.cursor() as cursor:
        for look in range(1, 31):
            half = 0.4 / look**0.5
            middle = 0.031 + 0.05 / look
            verdict = "winner" if look == 30 else "collecting"
            why = f"variant_a is better by success_rate: p 0.012 {odd}"
            interval = [middle, middle - half * 0.4, middle + half * 0.4]
            numbers = {
                "verdict": {"name": verdict, "why": why, "arm": "variant_a"},
                "ratio_p": 0.61,
                "evidence": {
                    "units": {"control": 20 * look, "variant_a": 21 * look},
                    "rows": {"control": 130 * look, "variant_a": 140 * look},
                    "excluded": {"no_unit": 3},
                },
                "comparisons": [
                    {"arm": "variant_a", "metric": "success_rate", "control": 0.81, "value": 0.841,
                     "difference": middle, "interval": interval[1:], "adjusted": 0.012},
                    {"arm": "variant_a", "metric": "cost_usd", "control": None, "value": None, "difference": None,
                     "interval": None, "adjusted": None},
                ],
            }  # fmt: skip
            cursor.execute(
                _LOOK,
                (str(made.id), start + timedelta(hours=7 * look), look == 30, verdict, why, 41 * look, 0.5 / look,
                 json.dumps({"variant_a": interval}), json.dumps(numbers)),
            )  # fmt: skip
        cursor.execute(
            "UPDATE ab_test_experiments SET verdict = 'winner', verdict_reason = %s, looked_at = now() WHERE id = %s",
            (why, str(made.id)),
        )
        connection.commit()
