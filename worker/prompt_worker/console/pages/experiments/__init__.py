"""Experiments."""

from prompt_worker.console.pages.experiments import experiment, listing

ROUTES = [route for page in (listing, experiment) for route in page.ROUTES]
