"""What the thread that follows the database makes of each document: an edition, compressed before anybody asks."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

from prompt_worker.prompts.endpoint.edition import Edition
from prompt_worker.prompts.endpoint.narrowing import Labels, narrowed
from prompt_worker.prompts.registry.document import Position, check_order
from prompt_worker.prompts.registry.sources.source import Fetched

log = logging.getLogger(__name__)

# Between two lines about the same trouble.
QUIET_SECONDS = 60.0
_NOBODY: Mapping[Labels, Callable[[Edition], object]] = MappingProxyType({})


class Editions:
    """A `Sink`: calls `replace` with each edition, and `checked` whenever the database had no later one.

    `narrowed`: whom to call with the edition of these labels, before all others get theirs.
    """

    def __init__(
        self,
        *,
        replace: Callable[[Edition], object],
        checked: Callable[[], object],
        narrowed: Mapping[Labels, Callable[[Edition], object]] = _NOBODY,
    ) -> None:
        self._replace, self._checked, self._narrowed = replace, checked, narrowed
        self._position: Position | None = None
        self._etag = b""
        self._trouble: str | None = None
        self._reported = 0.0

    def prepare(self) -> None:
        """There is nothing to prepare."""

    def offer(self, fetched: Fetched) -> None:
        """Raises `DocumentError`: a restored backup is refused, as clients do, until it has a new epoch."""
        document = fetched.document
        check_order(document.position, self._position)
        self._position = document.position
        edition = Edition.of(document)
        if edition.etag != self._etag:
            self._etag = edition.etag
            for labels, replace in self._narrowed.items():
                replace(Edition.of(narrowed(document, labels)))
            self._replace(edition)
            log.info(
                "registry %s: %d prompts, %d versions, %d bytes, %d compressed",
                edition.position, len(document.names), len(document.versions), len(edition.body), len(edition.zipped),
            )  # fmt: skip
        self._checked()

    def confirm(self, age_seconds: float) -> None:
        """A database knows itself: it is never old."""
        self._checked()

    def note(self, trouble: str | None) -> None:
        now = time.monotonic()
        if trouble is not None and (trouble != self._trouble or now - self._reported >= QUIET_SECONDS):
            log.warning("the registry cannot be read: %s", trouble)
            self._reported = now
        elif trouble is None and self._trouble is not None:
            log.info("the registry is read again")
        self._trouble = trouble
