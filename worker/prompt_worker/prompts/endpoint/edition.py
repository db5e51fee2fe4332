"""One state of the registry as it is sent: its document, plain and compressed once, and its position alone."""

from __future__ import annotations

import gzip

import msgspec

from prompt_worker.prompts.registry.document import Document, Position


class Head(msgspec.Struct, frozen=True):
    """What a waiting client is answered; `sha256` is the document's."""

    registry_id: str
    epoch: int
    revision: int
    sha256: str


class Edition(msgspec.Struct, frozen=True, eq=False):
    position: Position
    # Strong, and another one for the compressed bytes, as RFC 9110 asks.
    etag: bytes
    zipped_etag: bytes
    head: bytes
    body: bytes
    zipped: bytes

    @classmethod
    def of(cls, document: Document) -> Edition:
        sha256 = document.sha256()
        body = document.encode()
        position = document.position
        return cls(
            position=position,
            etag=b'"%s"' % sha256.encode(),
            zipped_etag=b'"%s-gzip"' % sha256.encode(),
            head=msgspec.json.encode(
                Head(str(position.registry_id), position.epoch, position.revision, sha256)
            ),
            body=body,
            zipped=gzip.compress(body, 6, mtime=0),
        )
