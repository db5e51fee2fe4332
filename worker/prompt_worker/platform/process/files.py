"""How many files and connections this process may have open."""

from __future__ import annotations

import logging
import resource

log = logging.getLogger(__name__)


def allow_files(number: int) -> None:
    """As many as are allowed, up to `number`; says in the log where that is too few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = number if hard == resource.RLIM_INFINITY else min(number, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < number:
        log.warning(
            "%d files may be open, and %d may be needed: raise the hard limit (ulimit -Hn)", most, number
        )
