"""Guardrails and what they found."""

from prompt_worker.console.pages.guardrails import listing, violations

ROUTES = [route for page in (listing, violations) for route in page.ROUTES]
