"""Who sent this request? Google signs a token for a service account and an audience, good for up to an hour.

https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions
https://cloud.google.com/docs/authentication/get-id-token
"""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any, NamedTuple

import jwt

from prompt_worker.platform.web.keys import SigningKeys

ISSUERS = ["https://accounts.google.com", "accounts.google.com"]
ALGORITHMS = ["RS256", "ES256"]
# For clocks that differ.
LEEWAY_SECONDS = 30.0
# Characters; Google's tokens have about 900.
MAX_LENGTH = 8_192
# Accepted tokens that are remembered; there is one for each sender and hour.
KEPT = 1_000
# What Cloud Run puts in place of a signature that it has checked.
REMOVED_SIGNATURE = "SIGNATURE_REMOVED_BY_GOOGLE"


class UnknownSenderError(Exception):
    """A missing or invalid token. Says what to do; holds nothing of the token."""


class WrongSenderError(Exception):
    """A valid token of an account that may not send this."""


class Advice(NamedTuple):
    """What to do about a token, in the words of the service that refuses it."""

    anonymous: str
    other_audience: str
    other_account: str


class Accepted(NamedTuple):
    """Whose token, and until when it is valid, in Unix seconds."""

    account: str
    until: float


class Tokens:
    """Accepts those made for `audience` by one of `accounts`, their e-mails; remembers them until they expire."""

    def __init__(
        self, keys: SigningKeys, *, audience: str, accounts: Collection[str], advice: Advice
    ) -> None:
        self._keys = keys
        self._audience = audience
        self._accounts = frozenset(accounts)
        self._advice = advice
        self._accepted: dict[bytes, Accepted] = {}

    async def check(self, authorization: bytes) -> str:
        """The account that the header's value is a token of; the value is empty where there is none.

        Raises `UnknownSenderError`, `WrongSenderError`, `KeysUnavailableError`.
        """
        known = self._accepted.get(authorization)
        if known is not None and known.until > time.time():
            return known.account
        claims = await self._verify(self._token(authorization))
        account = claims.get("email")
        if account not in self._accounts or claims.get("email_verified") is not True:
            raise WrongSenderError(self._advice.other_account)
        self._remember(authorization, Accepted(str(account), float(claims["exp"]) + LEEWAY_SECONDS))
        return str(account)

    async def _verify(self, token: str) -> dict[str, Any]:
        try:
            key = await self._keys.find(str(jwt.get_unverified_header(token).get("kid")))
            if key is None:
                raise UnknownSenderError("the token is signed with a key that is not Google's")
            return jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=self._audience,
                issuer=ISSUERS,
                leeway=LEEWAY_SECONDS,
                options={"require": ["aud", "exp", "iat", "iss"]},
            )
        except jwt.PyJWTError as error:
            # The error's text may quote the token.
            raise UnknownSenderError(self._explain(error)) from None

    def _remember(self, authorization: bytes, accepted: Accepted) -> None:
        if len(self._accepted) >= KEPT:
            del self._accepted[next(iter(self._accepted))]
        self._accepted[authorization] = accepted

    def _token(self, authorization: bytes) -> str:
        scheme, _, token = authorization.decode("latin-1").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise UnknownSenderError(self._advice.anonymous)
        if token.endswith(REMOVED_SIGNATURE):
            raise UnknownSenderError(
                "Cloud Run checked the token itself and removed its signature: "
                "deploy with --no-invoker-iam-check, as this service checks it"
            )
        if len(token) > MAX_LENGTH:
            raise UnknownSenderError("the token is longer than Google's are")
        return token

    def _explain(self, error: jwt.PyJWTError) -> str:
        if isinstance(error, jwt.ExpiredSignatureError | jwt.ImmatureSignatureError):
            return "the token has expired or is not valid yet: is the clock of this machine right?"
        if isinstance(error, jwt.InvalidAudienceError):
            return self._advice.other_audience
        if isinstance(error, jwt.InvalidIssuerError):
            return "the token's issuer is not Google"
        return f"invalid token: {type(error).__name__}"
