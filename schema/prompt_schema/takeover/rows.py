"""Rows that contradict a key: templates of one name and version, and rows whose template is gone."""

from __future__ import annotations

from psycopg2.extensions import cursor

from prompt_schema.takeover.plan import MOMENT, Plan
from prompt_schema.takeover.shape import Shape, query

# As migration 0018 makes it where no takeover did.
FORMER_NAMES = """
CREATE TABLE IF NOT EXISTS public.prompt_template_names (
    template_id uuid NOT NULL,
    name varchar(255) NOT NULL,
    version integer NOT NULL,
    until timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (name, version, template_id)
)
"""


def plan_rows(cursor: cursor, contract: Shape, found: Shape, plan: Plan) -> None:
    templates = found.get("prompt_templates")
    if templates is None or plan.refusals:
        return  # what follows reads columns that may be missing
    if {"id", "name", "version", "created_at"} <= templates.columns.keys():
        if not templates.key("u", ("name", "version")):
            _renumber(cursor, plan)
        _unparent(cursor, templates.columns.keys() >= {"parent_version_id"}, plan)
        if "prompt_executions" in found:
            _placeholders(cursor, plan)
        if "ab_test_experiments" in found:
            _orphaned_experiments(cursor, plan)


def _renumber(cursor: cursor, plan: Plan) -> None:
    cursor.execute(query("renumber"))
    moved = cursor.fetchall()
    if moved:
        plan.add("former names and versions of templates get a table", FORMER_NAMES)
    for template, name, version, number in moved:
        plan.add(
            f"two templates are {name} version {version}: {template} becomes version {number}, its number is kept",
            "INSERT INTO public.prompt_template_names (template_id, name, version) "
            "VALUES (%(id)s, %(name)s, %(version)s);"
            "UPDATE public.prompt_templates SET version = %(number)s WHERE id = %(id)s",
            lock=f"prompt_templates {MOMENT}",
            parameters={"id": template, "name": name, "version": version, "number": number},
        )


def _unparent(cursor: cursor, known: bool, plan: Plan) -> None:
    if not known:
        return
    orphaned = (
        "FROM public.prompt_templates t WHERE parent_version_id IS NOT NULL "
        "AND NOT EXISTS (SELECT FROM public.prompt_templates p WHERE p.id = t.parent_version_id)"
    )
    cursor.execute(f"SELECT count(*) {orphaned}")
    ((number,),) = cursor.fetchall()
    if number:
        plan.add(
            f"{number} templates come from a version that is gone: their parent is emptied",
            f"UPDATE public.prompt_templates SET parent_version_id = NULL WHERE id IN (SELECT t.id {orphaned})",  # noqa: S608
            lock=f"prompt_templates {MOMENT}",
        )


def _placeholders(cursor: cursor, plan: Plan) -> None:
    """An execution outlives its template: what is gone gets a template that says so, never served."""
    cursor.execute(query("orphans"))
    for template, name, version, executions in cursor.fetchall():
        plan.add(
            f"{executions:,} executions name a template that is gone: {template} is made again as {name}, "
            "inactive and empty",
            query("placeholder"),
            lock=f"prompt_templates {MOMENT}",
            parameters={"id": template, "name": name, "version": version},
        )


def _orphaned_experiments(cursor: cursor, plan: Plan) -> None:
    cursor.execute(
        "SELECT name FROM public.ab_test_experiments e WHERE NOT EXISTS "
        "(SELECT FROM public.prompt_templates t WHERE t.id = e.control_template_id) ORDER BY name LIMIT 3"
    )
    names = [name for (name,) in cursor.fetchall()]
    if names:
        plan.refuse(
            f"experiments name a control template that is gone ({', '.join(names)}): "
            "give them one, or delete them, and migrate again"
        )
