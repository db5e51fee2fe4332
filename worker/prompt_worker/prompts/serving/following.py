"""From what a registry says to what a service serves: checked, compiled beside the readers, swapped, and kept."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from prompt_worker.prompts.prompt import Freshness
from prompt_worker.prompts.registry.document import (
    AnotherRegistryError,
    Document,
    Position,
    Version,
    check_order,
)
from prompt_worker.prompts.registry.experiment import read_experiments
from prompt_worker.prompts.registry.last_good import LastGood
from prompt_worker.prompts.registry.refresher import Refresher
from prompt_worker.prompts.registry.sources.source import Fetched, Source
from prompt_worker.prompts.serving import gauges
from prompt_worker.prompts.snapshot.incoming import Unread, versions
from prompt_worker.prompts.snapshot.snapshot import Compiling, Snapshot
from prompt_worker.prompts.variables import Declared
from prompt_worker.prompts.version import CompiledVersion, Origin, Stored

log = logging.getLogger(__name__)

# So that readers and event loops get Python's lock between any two templates.
PAUSE_SECONDS = 0.001


class Following:
    """`swap` is called with each new snapshot, by the refresher's thread. All else here is called by it alone.

    `trouble` is why the last attempt failed, `irregularity` what was accepted or refused although it should not
    happen; None where there is none.
    """

    def __init__(
        self,
        source: Source,
        last_good: LastGood | None,
        contracts: Mapping[str, Declared],
        swap: Callable[[Snapshot], object],
    ) -> None:
        self.source = source
        self.snapshot: Snapshot | None = None
        self.freshness: Freshness | None = None
        self.position: Position | None = None
        self.trouble: str | None = "it was not read yet"
        self.irregularity: str | None = None
        # Set once the first document of the registry itself is served.
        self.is_live = threading.Event()
        self._last_good = last_good
        self._contracts = contracts
        self._swap = swap
        self._sha256 = ""
        self._since = Freshness()
        self.refresher = Refresher(source, self)

    def prepare(self) -> None:
        """What was served last, unless this is only another thread."""
        # A fork must not come while it loads what it needs.
        with self.refresher.busy:
            gauges.watch()
        if self.snapshot is not None or self._last_good is None:
            return
        saved = self._last_good.load()
        if saved is None:
            return
        before = Snapshot.build(map(Unread, saved.kept), compiling=self._compiling())
        self._take(saved.document, "disk", Freshness(saved.age_seconds), before)

    def offer(self, fetched: Fetched) -> None:
        document = fetched.document
        self._check(document.position)
        sha256 = document.sha256()
        same = document.position == self.position and sha256 == self._sha256
        if document.position == self.position and not same:
            self._report(
                f"revision {document.position} has another content than before: was a change made without its triggers?"
            )
        if not same:
            self._take(document, "live", Freshness(self.source.age_seconds), self.snapshot, sha256)
        self.confirm(self.source.age_seconds)
        if not same:
            # Last, as a disk may be slow.
            self._keep(document)

    def confirm(self, age_seconds: float) -> None:
        if self.snapshot is not None and self.snapshot.source != "live":
            # What was read from the disk is what the registry has.
            self.freshness = Freshness(age_seconds)
            origin = Origin("live", self.snapshot.revision, self.freshness)
            self._serve(self.snapshot.served_as(origin))
        elif self.freshness is not None:
            self.freshness.confirm(age_seconds)
        self.note(None)
        self.is_live.set()

    def age(self) -> float:
        """Seconds since the registry last said what to serve; while it never did, since it was to be asked."""
        return (self.freshness or self._since).age()

    def note(self, trouble: str | None) -> None:
        if trouble != self.trouble:
            if trouble is not None:
                log.warning("prompts are not refreshed from %s: %s", self.source.name, trouble)
            elif self.position is not None:
                log.info("prompts follow %s, at %s", self.source.name, self.position)
        self.trouble = trouble

    def _check(self, found: Position) -> None:
        try:
            check_order(found, self.position)
        except AnotherRegistryError as error:
            # What a disk remembers of an address is no reason to refuse what the address leads to now.
            if self.snapshot is None or self.snapshot.source == "live":
                self._report(str(error))
                raise
            self._report(f"{self.source.name} leads to another registry than when it was read last: {found}")

    def _report(self, irregularity: str) -> None:
        if irregularity != self.irregularity:
            log.warning("%s: %s", self.source.name, irregularity)
        self.irregularity = irregularity

    def _take(
        self,
        document: Document,
        source: Any,
        freshness: Freshness,
        previous: Snapshot | None,
        sha256: str | None = None,
    ) -> None:
        experiments = read_experiments(document.experiments)
        snapshot = Snapshot.build(
            versions(document, experiments),
            previous=previous,
            names=document.names,
            experiments=experiments,
            contracts=self._contracts,
            origin=Origin(source, document.revision, freshness),
            compiling=self._compiling(),
        )
        self.freshness = freshness
        self.position = document.position
        self._sha256 = sha256 or document.sha256()
        if source == "live":
            self.note(None)
        self._serve(snapshot)

    def _serve(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._swap(snapshot)

    def _keep(self, document: Document) -> None:
        if self._last_good is not None and self.snapshot is not None:
            self._last_good.save(document, list(map(_version, self.snapshot.kept())))

    def _compiling(self) -> _Beside:
        return _Beside(self.refresher)


class _Beside(Compiling):
    """One template at a time, and a pause after each."""

    def __init__(self, refresher: Refresher) -> None:
        self._refresher = refresher

    def __call__(self, make: Callable[[], CompiledVersion]) -> CompiledVersion:
        try:
            # A fork waits for it, as the child would wait for ever for a lock of the template engine.
            with self._refresher.busy:
                return make()
        finally:
            time.sleep(PAUSE_SECONDS)


def _version(stored: Stored) -> Version:
    return Version(
        name=stored.name,
        version=stored.version,
        template_id=stored.template_id,
        is_active=True,
        group=stored.group,
        content_sha256=stored.sha256,
        content=msgspec.Raw(msgspec.json.encode(stored.content)),
    )
