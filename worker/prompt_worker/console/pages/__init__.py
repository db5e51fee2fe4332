"""The pages: one file each, with its template beside it."""

from prompt_worker.console.pages import (
    activate,
    audit,
    block,
    dead_letter,
    dead_letters,
    diff,
    discard,
    execution,
    executions,
    experiment,
    experiments,
    guardrails,
    health,
    label,
    overview,
    prompt,
    prompts,
    replay,
    review,
    rollback,
    theme,
    violations,
)

ROUTES = [
    route
    for page in (
        overview,
        prompts,
        prompt,
        diff,
        activate,
        rollback,
        review,
        label,
        block,
        executions,
        execution,
        experiments,
        experiment,
        guardrails,
        violations,
        dead_letters,
        dead_letter,
        replay,
        discard,
        audit,
        health,
        theme,
    )
    for route in page.ROUTES
]
