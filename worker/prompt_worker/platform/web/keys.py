"""The public keys of tokens: fetched when needed, kept, and refreshed."""

from __future__ import annotations

import asyncio
import logging
import time

from jwt import PyJWK, PyJWKClient, PyJWKClientError, PyJWKSetError

from prompt_worker.platform.web.threads import in_thread

log = logging.getLogger(__name__)

FETCH_SECONDS = 5.0
# Google changes them every few days, and announces a key before it is used.
REFRESH_SECONDS = 3600.0
# Between two fetches, however many unknown keys are named.
COOLDOWN_SECONDS = 30.0


class KeysUnavailableError(Exception):
    """No key could be fetched yet, so no token can be checked."""


class SigningKeys:
    """The keys of a JWKS at `url`. While it cannot be fetched, the last ones that were stay in use."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = PyJWKClient(url, cache_jwk_set=False, timeout=FETCH_SECONDS)
        self._keys: dict[str, PyJWK] = {}
        self._fetched = self._tried = float("-inf")
        self._fetching = asyncio.Lock()

    async def find(self, key_id: str) -> PyJWK | None:
        """The key of this id, if there is one. Raises `KeysUnavailableError`."""
        if self._wants_fetch(key_id):
            async with self._fetching:
                if self._wants_fetch(key_id):  # another request may just have fetched them
                    await self._fetch()
        if not self._keys:
            raise KeysUnavailableError
        return self._keys.get(key_id)

    def _wants_fetch(self, key_id: str) -> bool:
        now = time.monotonic()
        old = key_id not in self._keys or now - self._fetched > REFRESH_SECONDS
        return old and now - self._tried > COOLDOWN_SECONDS

    async def _fetch(self) -> None:
        try:
            keys = await in_thread(self._client.get_signing_keys)
        except (PyJWKClientError, PyJWKSetError, OSError, ValueError) as error:
            log.warning(
                "cannot fetch the keys that tokens are signed with from %s: %s. Is egress to it allowed?",
                self._url,
                type(error).__name__,
            )
        else:
            self._keys = {str(key.key_id): key for key in keys}
            self._fetched = time.monotonic()
        self._tried = time.monotonic()
