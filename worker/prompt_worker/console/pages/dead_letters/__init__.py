"""Dead letters: by cause, one by one, replayed or discarded."""

from prompt_worker.console.pages.dead_letters import dead_letter, discard, listing, replay

ROUTES = [route for page in (listing, dead_letter, replay, discard) for route in page.ROUTES]
