"""Each role may do its work and nothing else; PUBLIC may do nothing."""

from __future__ import annotations

import pytest
from queries import rows, scalar
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError

from prompt_schema.statistics import recount

ROLES = (
    "prompt_reader",
    "prompt_execution_worker",
    "prompt_guardrail_worker",
    "prompt_feedback_worker",
    "prompt_operator",
    "prompt_dead_letter_worker",
)
# Those of prompts are tested by test_prompt_actors, too.
PROMPT_ROLES = (
    "prompt_viewer",
    "prompt_editor",
    "prompt_approver",
    "prompt_text_reader",
    "prompt_case_editor",
    "prompt_identity_provider",
)
NEW_EXECUTION = (
    "INSERT INTO prompt_executions (id, template_id, template_name, template_version, ab_test_group, "
    "input_variables, rendered_prompt, status, execution_time_ms) "
    "SELECT uuid_v7(), id, name, version, 'control', '{}', '-', 'success', 7 FROM prompt_templates "
    "WHERE name = 'nlu_topic_extraction'"
)
ACTIVATE = (
    "UPDATE prompt_templates SET is_active = true, updated_by = 'o' WHERE name = 'nlu_topic_extraction'"
)
NEW_TEMPLATE = "INSERT INTO prompt_templates (name, template_text, created_by) VALUES ('n', '-', 'e')"
NEW_EXPERIMENT = (
    "INSERT INTO ab_test_experiments (name, template_name, status, control_template_id, variant_template_ids, "
    "traffic_allocation, primary_metric) SELECT 'e', name, 'active', id, '{}', '{}', '-' FROM prompt_templates "
    "WHERE name = 'nlu_topic_extraction'"
)
NEW_EVALUATION = (
    "INSERT INTO guardrail_evaluations (event_id, guardrail_ids, outcome, detector_version, evaluation_ms) "
    "SELECT uuid_v7(), array_agg(id), 'allow', '-', 0 FROM prompt_guardrails"
)
NEW_VIOLATION = (
    "INSERT INTO guardrail_violations (event_id, source, guardrail_id, guardrail_name, field, rule, executed_at) "
    "SELECT uuid_v7(), 'worker', id, name, 'prompt', '-', now() FROM prompt_guardrails ON CONFLICT DO NOTHING"
)
NEW_DEAD_LETTER = (
    "INSERT INTO dead_letter_events (consumer, event_key, source, error_class, reason, cause, payload, attributes, "
    "occurrences, first_seen, last_seen) "
    "VALUES ('executions', uuid_v7(), 'worker', '-', '-', 1, '-', '{}', '{1}', now(), now())"
)
NEW_FEEDBACK = (
    "INSERT INTO prompt_feedback (event_id, request_id, name, source, value, at) "
    "VALUES (uuid_v7(), uuid_v7(), 'helpful', 'user', 1, now())"
)
NEW_ACTION = "INSERT INTO dead_letter_actions (action, by) VALUES ('discard', 'o')"

MAY = [
    ("prompt_reader", "SELECT * FROM prompt_templates"),
    ("prompt_reader", "SELECT * FROM prompt_guardrails"),
    ("prompt_reader", "SELECT * FROM ab_test_experiments"),
    ("prompt_reader", "SELECT * FROM v_template_performance"),
    ("prompt_reader", "SELECT * FROM v_active_ab_tests"),
    ("prompt_reader", "SELECT * FROM v_guardrail_violations_summary"),
    ("prompt_reader", "SELECT * FROM v_guardrail_violations_daily"),
    ("prompt_reader", "SELECT * FROM v_execution_errors_hourly"),
    ("prompt_reader", "SELECT * FROM v_dead_letters_hourly"),
    ("prompt_reader", "SELECT * FROM v_template_statistics"),
    ("prompt_reader", "SELECT * FROM v_ab_test_statistics"),
    ("prompt_reader", "SELECT * FROM v_guardrail_statistics"),
    ("prompt_execution_worker", "SELECT fold_statistics()"),
    ("prompt_guardrail_worker", "SELECT fold_statistics()"),
    ("prompt_operator", "SELECT fold_statistics()"),
    ("prompt_execution_worker", NEW_EXECUTION),
    ("prompt_execution_worker", f"{NEW_EXECUTION} ON CONFLICT (id) DO NOTHING"),
    ("prompt_execution_worker", "SELECT max(executed_at) FROM prompt_executions WHERE id = uuid_v7()"),
    ("prompt_execution_worker", "SELECT id, name, version FROM prompt_templates"),
    ("prompt_guardrail_worker", "SELECT * FROM prompt_guardrails"),
    ("prompt_guardrail_worker", "SELECT id, name, version, category, template_text FROM prompt_templates"),
    ("prompt_guardrail_worker", NEW_EVALUATION),
    ("prompt_guardrail_worker", "SELECT event_id FROM guardrail_evaluations"),
    ("prompt_guardrail_worker", NEW_VIOLATION),
    ("prompt_editor", NEW_TEMPLATE),
    ("prompt_operator", ACTIVATE),
    ("prompt_operator", NEW_EXPERIMENT),
    ("prompt_operator", "UPDATE ab_test_experiments SET status = 'completed'"),
    ("prompt_operator", "UPDATE prompt_guardrails SET severity = 'low', config = '{}'"),
    ("prompt_operator", "SELECT * FROM guardrail_violations"),
    (
        "prompt_operator",
        "UPDATE guardrail_violations SET false_positive_by = 'o', false_positive_at = now()",
    ),
    ("prompt_operator", "SELECT * FROM v_guardrail_violations_daily"),
    ("prompt_operator", "SELECT rebuild_guardrail_statistics(id) FROM prompt_guardrails"),
    ("prompt_operator", "SELECT * FROM prompt_executions"),
    ("prompt_operator", "SELECT * FROM v_recent_execution_errors"),
    ("prompt_operator", "SELECT rebuild_template_statistics(id) FROM prompt_templates"),
    ("prompt_operator", "SELECT rebuild_ab_test_statistics(id) FROM ab_test_experiments"),
    ("prompt_feedback_worker", NEW_FEEDBACK),
    ("prompt_feedback_worker", "SELECT event_id FROM prompt_feedback"),
    ("prompt_dead_letter_worker", "SELECT event_id FROM prompt_feedback"),
    ("prompt_experiment_worker", "SELECT request_id, name, source, value, at, event_id FROM prompt_feedback"),
    *[
        (role, "SELECT * FROM v_prompt_feedback")
        for role in ("prompt_reader", "prompt_viewer", "prompt_operator")
    ],
    ("prompt_dead_letter_worker", NEW_DEAD_LETTER),
    ("prompt_dead_letter_worker", "UPDATE dead_letter_events SET times_seen = times_seen + 1"),
    ("prompt_dead_letter_worker", "SELECT id FROM prompt_executions"),
    ("prompt_dead_letter_worker", "SELECT resolve_dead_letters()"),
    ("prompt_operator", "SELECT resolve_dead_letters()"),
    ("prompt_dead_letter_worker", "SELECT event_id FROM guardrail_evaluations"),
    ("prompt_operator", NEW_DEAD_LETTER),
    ("prompt_operator", "SELECT * FROM dead_letter_events"),
    ("prompt_operator", "UPDATE dead_letter_events SET status = 'discarded'"),
    ("prompt_operator", "DELETE FROM dead_letter_events"),
    ("prompt_operator", NEW_ACTION),
    ("prompt_operator", "UPDATE dead_letter_actions SET ended_at = now()"),
    (
        "prompt_operator",
        "INSERT INTO dead_letter_outcomes (action_id, dead_letter_id, outcome) "
        "SELECT id, uuid_v7(), 'discarded' FROM dead_letter_actions",
    ),
    *[(role, "SELECT version, checksum FROM schema_migrations") for role in ROLES],
]
SHAPES = "SELECT * FROM masked_prompt_inputs('nlu_topic_extraction', 5)"
SPREAD = "SELECT service, template_version, executed_at, selection FROM prompt_executions"
MAY += [
    ("prompt_editor", SHAPES),
    ("prompt_approver", SHAPES),
    *[(role, SPREAD) for role in ("prompt_viewer", "prompt_editor", "prompt_approver")],
]
MAY_NOT = [
    ("prompt_viewer", SHAPES),
    ("prompt_reader", SHAPES),
    ("prompt_reader", SPREAD),
    *[
        (role, f"SELECT {column} FROM prompt_executions")
        for role in ("prompt_viewer", "prompt_editor", "prompt_approver")
        for column in ("input_variables", "rendered_prompt", "model_response", "user_id", "assignment_unit")
    ],
    ("prompt_reader", "SELECT * FROM prompt_executions"),
    ("prompt_reader", "SELECT * FROM v_recent_execution_errors"),
    ("prompt_reader", "SELECT * FROM guardrail_violations"),
    ("prompt_reader", "UPDATE prompt_templates SET template_text = ''"),
    ("prompt_execution_worker", NEW_VIOLATION),
    ("prompt_execution_worker", "SELECT rendered_prompt FROM prompt_executions"),
    ("prompt_execution_worker", "SELECT user_id FROM prompt_executions"),
    ("prompt_execution_worker", "UPDATE prompt_executions SET status = 'success'"),
    ("prompt_execution_worker", "DELETE FROM prompt_executions"),
    ("prompt_execution_worker", "TRUNCATE prompt_executions"),
    ("prompt_execution_worker", "SELECT template_text FROM prompt_templates"),
    ("prompt_execution_worker", "UPDATE prompt_templates SET total_executions = 0"),
    ("prompt_execution_worker", "SELECT rebuild_template_statistics(uuid_v7())"),
    ("prompt_guardrail_worker", "SELECT id FROM prompt_executions"),
    ("prompt_guardrail_worker", NEW_EXECUTION),
    ("prompt_guardrail_worker", "UPDATE prompt_guardrails SET is_active = false"),
    ("prompt_guardrail_worker", "UPDATE prompt_guardrails SET total_checks = 0"),
    ("prompt_guardrail_worker", "SELECT user_id FROM guardrail_violations"),
    ("prompt_guardrail_worker", "UPDATE guardrail_violations SET false_positive_by = 'me'"),
    ("prompt_guardrail_worker", "DELETE FROM guardrail_violations"),
    ("prompt_guardrail_worker", "SELECT user_id FROM prompt_executions"),
    ("prompt_guardrail_worker", "SELECT rebuild_guardrail_statistics(uuid_v7())"),
    ("prompt_feedback_worker", "SELECT value FROM prompt_feedback"),
    ("prompt_feedback_worker", "UPDATE prompt_feedback SET value = 0"),
    ("prompt_feedback_worker", "DELETE FROM prompt_feedback"),
    ("prompt_feedback_worker", NEW_EXECUTION),
    ("prompt_feedback_worker", "SELECT id FROM prompt_executions"),
    ("prompt_execution_worker", NEW_FEEDBACK),
    ("prompt_reader", "SELECT * FROM prompt_feedback"),
    ("prompt_operator", NEW_FEEDBACK),
    ("prompt_operator", NEW_VIOLATION),
    ("prompt_operator", "UPDATE guardrail_violations SET guardrail_name = 'x'"),
    ("prompt_operator", "UPDATE prompt_guardrails SET false_positive_count = 1"),
    ("prompt_operator", NEW_EXECUTION),
    ("prompt_operator", "UPDATE prompt_executions SET status = 'success'"),
    ("prompt_operator", "DELETE FROM prompt_executions"),
    ("prompt_operator", NEW_TEMPLATE),
    ("prompt_operator", "UPDATE prompt_templates SET template_text = ''"),
    ("prompt_operator", "DELETE FROM prompt_templates"),
    ("prompt_operator", "UPDATE prompt_templates SET total_executions = 0"),
    ("prompt_operator", "UPDATE prompt_templates SET avg_cost_usd = 0"),
    ("prompt_operator", "UPDATE ab_test_experiments SET variant_executions = '{}'"),
    (
        "prompt_operator",
        "INSERT INTO prompt_templates (name, template_text, success_count) VALUES ('n', '-', 9)",
    ),
    ("prompt_reader", "SELECT fold_statistics()"),
    ("prompt_execution_worker", "SELECT * FROM prompt_template_deltas"),
    ("prompt_execution_worker", "DELETE FROM prompt_template_deltas"),
    ("prompt_guardrail_worker", "INSERT INTO guardrail_deltas VALUES (uuid_v7(), 1, 1, 1)"),
    ("prompt_operator", "DELETE FROM ab_test_deltas"),
    ("prompt_operator", "SELECT add_template_statistics('{}')"),
    ("prompt_operator", "SELECT count_guardrails('{}')"),
    ("prompt_reader", "SELECT reason FROM dead_letter_events"),
    ("prompt_execution_worker", "SELECT id FROM dead_letter_events"),
    ("prompt_execution_worker", "SELECT resolve_dead_letters()"),
    ("prompt_dead_letter_worker", "SELECT payload FROM dead_letter_events"),
    ("prompt_dead_letter_worker", "SELECT attributes FROM dead_letter_events"),
    ("prompt_dead_letter_worker", "UPDATE dead_letter_events SET payload = ''"),
    ("prompt_dead_letter_worker", "DELETE FROM dead_letter_events"),
    ("prompt_dead_letter_worker", NEW_ACTION),
    ("prompt_dead_letter_worker", "SELECT rendered_prompt FROM prompt_executions"),
    ("prompt_dead_letter_worker", NEW_EXECUTION),
    ("prompt_operator", "DELETE FROM dead_letter_actions"),
    ("prompt_operator", "UPDATE dead_letter_actions SET by = 'somebody else'"),
    ("prompt_operator", "UPDATE dead_letter_outcomes SET outcome = 'other'"),
    *[(role, "INSERT INTO schema_migrations (version) VALUES ('x')") for role in ROLES],
]


def run_as(engine: Engine, role: str, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"SET LOCAL ROLE {role}"))
        connection.execute(text(statement))


def test_each_role_may_do_its_work(engine: Engine) -> None:
    for role, statement in MAY:
        run_as(engine, role, statement)
    # What the worker may not touch itself is counted all the same.
    assert scalar(engine, "SELECT max(total_executions) FROM prompt_templates") == 2
    assert scalar(engine, "SELECT total_executions FROM ab_test_experiments") == 2
    assert rows(
        engine, "SELECT DISTINCT total_checks, violation_count, false_positive_count FROM prompt_guardrails"
    ) == [(1, 1, 1)]
    assert recount(engine) == []


@pytest.mark.parametrize(("role", "statement"), MAY_NOT)
def test_no_role_may_do_more(engine: Engine, role: str, statement: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"):
        run_as(engine, role, statement)


def test_public_may_read_nothing(engine: Engine) -> None:
    role = f"somebody_{engine.url.database}"
    rows(engine, f"CREATE ROLE {role}")
    try:
        relations = rows(
            engine,
            "SELECT relname, relispartition FROM pg_class "
            "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'p')",
        )
        assert sum(not is_partition for _, is_partition in relations) == 45
        for relation, _ in relations:
            with pytest.raises(ProgrammingError, match="permission denied"):
                run_as(engine, role, f"SELECT * FROM {relation}")
    finally:
        rows(engine, f"DROP ROLE {role}")


def test_no_role_can_log_in(engine: Engine) -> None:
    assert rows(
        engine, "SELECT rolname::text, rolcanlogin, rolsuper FROM pg_roles WHERE rolname = ANY(:r) ORDER BY 1",
        r=[*ROLES, *PROMPT_ROLES],
    ) == [(role, False, False) for role in sorted(ROLES + PROMPT_ROLES)]  # fmt: skip


def test_security_definer_function_ignores_the_search_path(engine: Engine) -> None:
    """A table of the caller's own, found first, would be written with the owner's rights."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TEMP TABLE prompt_templates (LIKE public.prompt_templates)"))
        connection.execute(text("SET LOCAL search_path = pg_temp, public"))
        connection.execute(
            text(NEW_EXECUTION.replace("FROM prompt_templates", "FROM public.prompt_templates"))
        )
        assert connection.scalar(text("SELECT max(total_executions) FROM public.prompt_templates")) == 1
    assert rows(
        engine,
        "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef "
        "AND NOT 'search_path=pg_catalog, pg_temp' = ANY(coalesce(proconfig, '{}'))",
    ) == []  # fmt: skip
