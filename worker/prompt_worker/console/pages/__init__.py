"""The pages: one file each, with its template beside it."""

from prompt_worker.console.pages import (
    audit,
    dead_letters,
    executions,
    experiments,
    guardrails,
    health,
    overview,
    prompts,
    theme,
)

ROUTES = [
    route
    for page in (overview, prompts, executions, experiments, guardrails, dead_letters, audit, health, theme)
    for route in page.ROUTES
]
