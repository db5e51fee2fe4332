"""Who is at the browser: whoever has the key that the command printed, for half a day.

Nothing is kept in memory but the secret, which is new each time the console starts.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable

# Seconds that a session lasts.
SESSION = 12 * 3600
_COOKIE = "prompt_worker_console_{port}"


class LocalIdentity:
    """One person, `who`, on this machine. Cookies are by port, as browsers share them between ports."""

    def __init__(self, who: str, port: int, clock: Callable[[], float] = time.time) -> None:
        self.who = who
        self.cookie = _COOKIE.format(port=port)
        self.key = secrets.token_urlsafe(24)
        self._secret = secrets.token_bytes(32)
        self._clock = clock

    def session(self, key: str) -> str | None:
        """The value of a new session's cookie, for the right key."""
        if not hmac.compare_digest(key.encode(), self.key.encode()):
            return None
        until = str(int(self._clock()) + SESSION)
        return f"{until}.{self._signature(until)}"

    def is_valid(self, cookie: str) -> bool:
        """Whether it is of a session that lasts still."""
        until, _, signature = cookie.partition(".")
        # Compared as bytes: a text that is not ASCII would be refused with an error.
        if not hmac.compare_digest(signature.encode(), self._signature(until).encode()):
            return False
        return int(until) > self._clock()

    def _signature(self, until: str) -> str:
        digest = hmac.new(self._secret, until.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).decode()
