"""Whose requests are accepted: tokens signed with a test key, and every way in which one can be wrong."""

from __future__ import annotations

import asyncio
import hmac
import socket
import struct
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from prompt_worker.consuming.push.serve import ADVICE
from prompt_worker.platform.web import keys as keys_module
from prompt_worker.platform.web.keys import KeysUnavailableError, SigningKeys
from prompt_worker.platform.web.tokens import Tokens, UnknownSenderError, WrongSenderError
from tests.support.pushing import ACCOUNT, AUDIENCE, Signer


@pytest.fixture(scope="module")
def signer() -> Iterator[Signer]:
    with Signer() as opened:
        yield opened


def tokens(signer: Signer) -> Tokens:
    return Tokens(SigningKeys(signer.url), audience=AUDIENCE, accounts=[ACCOUNT], advice=ADVICE)


def header(token: str) -> bytes:
    return f"Bearer {token}".encode()


def test_signed_token_is_verified_once_and_its_key_fetched_once(signer: Signer) -> None:
    async def check() -> None:
        checked = tokens(signer)
        accepted = header(signer.token())
        before = signer.fetches
        await asyncio.gather(*(checked.check(accepted) for _ in range(50)))
        await checked.check(header(signer.token(iat=int(time.time()) - 1)))
        assert signer.fetches == before + 1

    asyncio.run(check())


def hmac_with_the_public_key(signer: Signer) -> str:
    """The classic confusion: a public key used as a shared secret."""
    public = signer.keys["key-1"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    claims = signer.token().split(".")[1]
    head = urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT","kid":"key-1"}').decode().rstrip("=")
    signature = hmac.digest(public, f"{head}.{claims}".encode(), "sha256")
    return f"{head}.{claims}.{urlsafe_b64encode(signature).decode().rstrip('=')}"


def other_key(signer: Signer) -> str:
    with Signer("not-published") as other:
        return other.token("not-published")


def unsigned(signer: Signer) -> str:
    claims = jwt.decode(signer.token(), options={"verify_signature": False})
    return jwt.encode(claims, None, "none", headers={"kid": "key-1"})


UNKNOWN: dict[str, tuple[Callable[[Signer], str], str]] = {
    "none": (lambda _: "", "no token"),
    "no token at all": (lambda _: "secret", "invalid token"),
    "expired": (lambda s: s.token(exp=int(time.time()) - 60), "expired"),
    "from the future": (lambda s: s.token(iat=int(time.time()) + 600), "not valid yet"),
    "without expiry": (lambda s: s.token(exp=None), "MissingRequiredClaim"),
    "another audience": (lambda s: s.token(aud="https://secret.example.com/"), "PROMPT_WORKER_PUSH_AUDIENCE"),
    "another issuer": (lambda s: s.token(iss="https://secret.example.com"), "issuer"),
    "changed": (lambda s: s.token()[:-8] + "AAAAAAAA", "InvalidSignature"),
    "another key": (other_key, "not Google's"),
    "unsigned": (unsigned, "InvalidAlgorithm"),
    "signed with the public key": (hmac_with_the_public_key, "InvalidAlgorithm"),
    "signature removed": (
        lambda s: s.token().rpartition(".")[0] + ".SIGNATURE_REMOVED_BY_GOOGLE",
        "--no-invoker-iam-check",
    ),
    "too long": (lambda s: s.token(padding="x" * 10_000), "longer"),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_invalid_token_is_refused_with_a_reason_and_not_quoted(signer: Signer, case: str) -> None:
    make, expected = UNKNOWN[case]
    token = make(signer)
    with pytest.raises(UnknownSenderError) as raised:
        asyncio.run(tokens(signer).check(header(token)))
    assert expected in str(raised.value)
    assert "secret" not in str(raised.value)
    assert not token or token not in str(raised.value)


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "someone@else.example.com"},
        {"email": None},
        {"email_verified": False},
        {"email_verified": None},
        {"email_verified": "false"},
    ],
)
def test_valid_token_of_another_account_may_not_push(signer: Signer, claims: dict[str, Any]) -> None:
    with pytest.raises(WrongSenderError, match="PROMPT_WORKER_PUSH_SERVICE_ACCOUNT"):
        asyncio.run(tokens(signer).check(header(signer.token(**claims))))


def test_accepted_token_is_refused_once_it_expires(signer: Signer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prompt_worker.platform.web.tokens.LEEWAY_SECONDS", 0.0)

    async def check() -> None:
        checked = tokens(signer)
        accepted = header(signer.token(exp=int(time.time()) + 2))
        await checked.check(accepted)
        await asyncio.sleep(2.1)
        with pytest.raises(UnknownSenderError, match="expired"):
            await checked.check(accepted)

    asyncio.run(check())


def test_remembered_tokens_are_bounded(signer: Signer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prompt_worker.platform.web.tokens.KEPT", 3)

    async def check() -> None:
        checked = tokens(signer)
        for number in range(10):
            await checked.check(header(signer.token(jti=str(number))))
        assert len(checked._accepted) == 3

    asyncio.run(check())


def test_new_key_is_fetched_but_strangers_cannot_force_fetches(
    signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def check() -> None:
        keys = SigningKeys(signer.url)
        assert await keys.find("key-1")
        before = signer.fetches
        for number in range(20):
            assert await keys.find(f"made-up-{number}") is None
        assert signer.fetches == before
        monkeypatch.setattr(keys_module, "COOLDOWN_SECONDS", 0.0)
        signer.add("key-2")
        assert await keys.find("key-2")
        assert signer.fetches == before + 1

    asyncio.run(check())


def test_connection_that_breaks_during_a_key_fetch_is_an_outage() -> None:
    def break_off(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
        # Closing it sends RST, no FIN.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        time.sleep(0.1)
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=break_off, args=(listening,), daemon=True).start()
        keys = SigningKeys(f"http://127.0.0.1:{listening.getsockname()[1]}/certs")
        with pytest.raises(KeysUnavailableError):
            asyncio.run(keys.find("key-1"))


def test_tokens_are_not_judged_without_keys_and_old_keys_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keys_module, "COOLDOWN_SECONDS", 0.0)
    monkeypatch.setattr(keys_module, "REFRESH_SECONDS", 0.0)

    async def check() -> None:
        with Signer() as ending:
            keys = SigningKeys(ending.url)
            assert await keys.find("key-1")
        assert await keys.find("key-1"), "kept while its source is down"
        with pytest.raises(KeysUnavailableError):
            await SigningKeys(ending.url).find("key-1")

    asyncio.run(check())
