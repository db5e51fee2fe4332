"""Requests of strangers are refused, each with the answer that says why."""

from __future__ import annotations

from prompt_worker.platform.web.answers import Answer
from prompt_worker.platform.web.keys import KeysUnavailableError
from prompt_worker.platform.web.refusals import RefusedError
from prompt_worker.platform.web.tokens import Tokens, UnknownSenderError, WrongSenderError

UNKNOWN = Answer(401, b"missing or invalid token\n", ((b"www-authenticate", b"Bearer"),))


async def require_sender(
    tokens: Tokens | None, authorization: bytes, *, wrong: Answer, no_keys: Answer
) -> str:
    """The account that sent it; without `tokens` anybody is welcome, and has no name.

    `wrong`: the answer to an account that may not. Raises `RefusedError`.
    """
    if tokens is None:
        return ""
    try:
        return await tokens.check(authorization)
    except UnknownSenderError as error:
        raise RefusedError(UNKNOWN, str(error)) from None
    except WrongSenderError as error:
        raise RefusedError(wrong, str(error)) from None
    except KeysUnavailableError:
        raise RefusedError(no_keys, "no key to check tokens with could be fetched yet") from None
