"""Google's credentials of the place where a service runs, by google-auth, which comes with the Pub/Sub client."""

from __future__ import annotations

from typing import Any

import google.auth
import google.auth.transport.requests
import requests
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from google.oauth2 import id_token

from prompt_worker.prompts.errors import SourceError

SECONDS = 5.0
READ_ONLY = "https://www.googleapis.com/auth/devstorage.read_only"
READ_WRITE = "https://www.googleapis.com/auth/devstorage.read_write"


class _Request(google.auth.transport.requests.Request):
    """Waits for seconds, not for two minutes."""

    def __call__(self, *given: Any, **named: Any) -> Any:
        return super().__call__(*given, **{"timeout": SECONDS, **named})  # type: ignore[no-untyped-call]


class IdentityToken:
    """Of the service's account, for one audience; made again before it ends."""

    def __init__(self, audience: str) -> None:
        self._audience = audience
        self._credentials: Any = None

    def current(self) -> str:
        """Raises `SourceError`."""
        try:
            if self._credentials is None:
                self._credentials = id_token.fetch_id_token_credentials(  # type: ignore[no-untyped-call]
                    self._audience, request=_Request()
                )
            if not self._credentials.valid:
                self._credentials.refresh(_Request())
            token: str = self._credentials.token
        # What it raises over an odd answer of a metadata server is anything.
        except Exception as error:
            raise SourceError(
                f"there is no Google ID token here ({type(error).__name__}): run where a service account is, "
                "set GOOGLE_APPLICATION_CREDENTIALS, or PROMPT_REGISTRY_AUDIENCE=none for a registry without tokens"
            ) from None
        return token


def session(*, anonymous: bool, scope: str = READ_ONLY) -> requests.Session:
    """Raises `SourceError`."""
    try:
        credentials: Any
        if anonymous:
            credentials = AnonymousCredentials()  # type: ignore[no-untyped-call]
        else:
            credentials, _ = google.auth.default(scopes=[scope], request=_Request())
        opened: requests.Session = google.auth.transport.requests.AuthorizedSession(  # type: ignore[no-untyped-call]
            credentials, refresh_timeout=SECONDS, auth_request=_Request()
        )
    except (GoogleAuthError, OSError, ValueError) as error:
        raise SourceError(
            f"there are no Google credentials here ({type(error).__name__}): run where a service account is, or set "
            "GOOGLE_APPLICATION_CREDENTIALS"
        ) from None
    return opened
