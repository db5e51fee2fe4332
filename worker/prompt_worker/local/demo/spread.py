"""How a release spreads: which versions services are given, over the time of the demonstration."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

BIN_SECONDS = 0.1


class Release(NamedTuple):
    """`at`: when it was committed, on the clock of `time.monotonic`."""

    name: str
    before: int
    version: int
    at: float


class Follower(NamedTuple):
    """A service; how many prompts of the version before it was given after the release, and for how many seconds.

    `followed` is None for one that was never given the new version.
    """

    service: str
    stale: int
    followed: float | None


class Spread:
    """Notes each time that a service is given the prompt `name`."""

    def __init__(self, name: str, services: Sequence[str]) -> None:
        self.name = name
        self.release: Release | None = None
        self._services = services
        self._began: float | None = None
        # By part of the time, and by version.
        self._bins: dict[int, Counter[int]] = defaultdict(Counter)
        self._stale: Counter[str] = Counter()
        self._followed: dict[str, float] = {}
        self._noting = threading.Lock()

    def note(self, service: str, version: int) -> None:
        now = time.monotonic()
        with self._noting:
            if self._began is None:
                self._began = now
            self._bins[int((now - self._began) / BIN_SECONDS)][version] += 1
            if self.release is None:
                return
            if version == self.release.version:
                self._followed.setdefault(service, now - self.release.at)
            else:
                self._stale[service] += 1

    def followers(self) -> list[Follower]:
        """Each service."""
        return [Follower(name, self._stale[name], self._followed.get(name)) for name in self._services]

    @property
    def is_everywhere(self) -> bool:
        return self.release is not None and len(self._followed) == len(self._services)

    def versions(self) -> list[int]:
        """Those that were given, the oldest first."""
        with self._noting:
            return sorted({version for counts in self._bins.values() for version in counts})

    @property
    def seconds(self) -> float:
        """For how long prompts were given until now."""
        with self._noting:
            return (max(self._bins, default=-1) + 1) * BIN_SECONDS

    def share(self, version: int) -> float:
        """Of the last half second that has any, from 0 to 1."""
        with self._noting:
            last = [self._bins[key] for key in sorted(self._bins)[-5:]]
        number = sum(counts.total() for counts in last)
        return sum(counts[version] for counts in last) / number if number else 0.0

    def shares(self, version: int, columns: int) -> list[float | None]:
        """Over the whole time in `columns` equal parts, from 0 to 1; None where no prompt was given."""
        with self._noting:
            if not self._bins:
                return []
            length = max(self._bins) + 1
            columns = min(columns, length)
            found = [[0, 0] for _ in range(columns)]
            for key, counts in self._bins.items():
                column = found[key * columns // length]
                column[0] += counts[version]
                column[1] += counts.total()
        return [of_version / number if number else None for of_version, number in found]
