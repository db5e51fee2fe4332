"""Executions."""

from prompt_worker.console.pages.executions import execution, listing

ROUTES = [route for page in (listing, execution) for route in page.ROUTES]
