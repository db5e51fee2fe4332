"""Pages for machines on an event loop: each is made on a thread, since it may wait for the database."""

from __future__ import annotations

import asyncio

from prompt_worker.platform.process.pages import Page, Pages
from prompt_worker.platform.web.answers import Answer
from prompt_worker.platform.web.threads import in_thread

NOT_FOUND = Answer(404, b"no such page\n")


class PageAnswers:
    """Clients that ask for a page while it is being made share it."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        # By path.
        self._making: dict[str, asyncio.Task[Page]] = {}

    async def answer(self, path: str) -> Answer:
        make = self._pages.get(path)
        if make is None:
            return NOT_FOUND
        if path not in self._making:
            making = self._making[path] = asyncio.create_task(in_thread(make))
            making.add_done_callback(lambda _: self._making.pop(path))
        page = await asyncio.shield(self._making[path])
        return Answer(page.status, page.body, ((b"content-type", page.content_type.encode()),))
