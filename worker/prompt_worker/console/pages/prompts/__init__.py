"""Prompts: their versions, and what owners do with them."""

from prompt_worker.console.pages.prompts import (
    activate,
    block,
    diff,
    label,
    listing,
    prompt,
    review,
    rollback,
)

ROUTES = [
    route
    for page in (listing, prompt, diff, activate, rollback, review, label, block)
    for route in page.ROUTES
]
