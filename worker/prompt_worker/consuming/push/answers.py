"""What a push request is answered. To Pub/Sub 2xx is an acknowledgement; after anything else it sends the event again.

So only what is settled is answered with 2xx. A body that is not an envelope is refused with 400: there is no event in
it that could become a row or a dead letter, and if Pub/Sub did send it, it must not be lost.
"""

from __future__ import annotations

from prompt_worker.platform.web.answers import Answer

_SOON = ((b"retry-after", b"1"),)
_LATER = ((b"retry-after", b"10"),)

SETTLED = Answer(204)
NOT_SETTLED = Answer(503, b"not settled: send it again\n", _LATER)
BEHIND = Answer(503, b"behind: is the database down?\n", _LATER)
NO_KEYS = Answer(503, b"the token cannot be checked\n", _LATER)
FULL = Answer(429, b"too many requests in flight\n", _SOON)
TOO_LARGE = Answer(413, b"larger than a message of Pub/Sub\n")
TOO_SLOW = Answer(408, b"the body did not come\n")
NO_ENVELOPE = Answer(400, b"not an envelope of Pub/Sub\n")
WRONG_SENDER = Answer(403, b"this account may not push here\n")
NOT_ALLOWED = Answer(405, b"POST events here\n", ((b"allow", b"POST"),))
