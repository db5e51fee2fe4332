"""What a client of the registry is answered."""

from __future__ import annotations

from prompt_worker.platform.web.answers import Answer, Headers
from prompt_worker.prompts.endpoint.edition import Edition
from prompt_worker.prompts.endpoint.query import accepts_gzip, has_etag

_JSON = (b"content-type", b"application/json")
# Prompts are confidential: no cache between us and a client may keep them.
_CACHE = (b"cache-control", b"private, no-cache")
_VARY = (b"vary", b"accept-encoding, authorization")
_SOON = ((b"retry-after", b"2"),)

NOT_READ = Answer(503, b"the registry could not be read yet\n", _SOON)
NO_KEYS = Answer(503, b"the token cannot be checked\n", _SOON)
NOT_ALLOWED = Answer(405, b"GET the registry here\n", ((b"allow", b"GET, HEAD"),))
WRONG_READER = Answer(403, b"this account may not read the registry\n")


def bad_query(expected: str) -> Answer:
    return Answer(400, f"{expected}\n".encode())


def document_answer(edition: Edition, age_seconds: float, headers: dict[bytes, bytes]) -> Answer:
    """The whole document, unless the client has it."""
    zipped = accepts_gzip(headers.get(b"accept-encoding", b""))
    etag = edition.zipped_etag if zipped else edition.etag
    described = (*_described(edition, age_seconds), (b"etag", etag), _CACHE, _VARY)
    if has_etag(headers.get(b"if-none-match", b""), edition.etag, edition.zipped_etag):
        return Answer(304, b"", described)
    if zipped:
        return Answer(200, edition.zipped, (*described, _JSON, (b"content-encoding", b"gzip")))
    return Answer(200, edition.body, (*described, _JSON))


def revision_answer(edition: Edition, age_seconds: float) -> Answer:
    """What a client that waits needs to know: whether the document is another one now."""
    return Answer(200, edition.head, (*_described(edition, age_seconds), _JSON, _CACHE, _VARY))


def _described(edition: Edition, age_seconds: float) -> Headers:
    """The state, and for how many seconds nothing was heard from the database about it."""
    return (
        (b"prompt-registry-revision", str(edition.position).encode()),
        (b"prompt-registry-age", b"%.1f" % age_seconds),
    )
