"""What an orchestrator asks a worker."""

from __future__ import annotations

from urllib.error import HTTPError
from urllib.request import urlopen

PROBE_SECONDS = 10.0


def probe(port: int, path: str) -> tuple[int, str]:
    """Status and text of a page on this machine; status 0 while nothing listens."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=PROBE_SECONDS) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)
