"""The one thread that asks the database: is there another revision, and what is in it?"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from typing import Protocol

from prompt_worker.platform.failures import DeploymentError, Failure
from prompt_worker.prompts.endpoint.edition import Edition
from prompt_worker.prompts.registry.document import Document, Position, check_order

log = logging.getLogger(__name__)

# Between two questions; each is one row.
POLL_SECONDS = 1.0
# After a failure, doubled each time: a database that comes back is not met by everybody at once.
LONGEST_PAUSE_SECONDS = 15.0


class Source(Protocol):
    """Where the registry is. `fetch` and `wait` are called on one thread."""

    def fetch(self, known: Position | None) -> Document | None:
        """The document, None where its position is `known` still. Raises what kept it from being read."""

    def wait(self, seconds: float) -> None:
        """For so long, or until a change is heard of."""

    def close(self) -> None:
        """Ends what `wait` and `fetch` wait for; may be called on any thread."""


class Watcher(threading.Thread):
    """Calls `replace` with each new edition, and `checked` whenever the one before is confirmed.

    While the database is down it goes on asking. `failure` is an error that it cannot get over.
    """

    def __init__(
        self,
        source: Source,
        *,
        replace: Callable[[Edition], object],
        checked: Callable[[], object],
    ) -> None:
        super().__init__(name="registry", daemon=True)
        self._source = source
        self._replace, self._checked = replace, checked
        self._stop = threading.Event()
        self._position: Position | None = None
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            self._watch()
        except BaseException as error:
            if not self._stop.is_set():
                self.failure = error

    def end(self) -> None:
        self._stop.set()
        self._source.close()

    def _watch(self) -> None:
        pause = POLL_SECONDS
        while not self._stop.is_set():
            try:
                self._check()
            except Failure as error:
                # In the deployment's power to change, as a role that is missing; it may be granted while this runs.
                self._report(error)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
                self._stop.wait(pause * random.uniform(0.5, 1.0))  # noqa: S311
                continue
            pause = POLL_SECONDS
            self._source.wait(POLL_SECONDS)

    def _check(self) -> None:
        document = self._source.fetch(self._position)
        if document is not None:
            # As its clients do: a restored backup comes with a new epoch.
            check_order(document.position, self._position)
            edition = Edition.of(document)
            self._position = edition.position
            self._replace(edition)
            log.info(
                "registry %s: %d prompts, %d versions, %d bytes, %d compressed",
                edition.position, len(document.names), len(document.versions), len(edition.body), len(edition.zipped),
            )  # fmt: skip
        self._checked()

    def _report(self, error: Failure) -> None:
        level = logging.ERROR if isinstance(error, DeploymentError) else logging.WARNING
        log.log(level, "the registry cannot be read: %s", error)
