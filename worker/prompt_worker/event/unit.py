"""The unit of an experiment, as it is hashed, published and stored: a long one becomes its own hash."""

from __future__ import annotations

from hashlib import sha256

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# Bytes of UTF-8. An index holds the unit, and an entry of an index has a limit.
LONGEST = 64
_BYTES_OF_A_CHARACTER = 4
_HEX_DIGITS = 32


def recorded_unit(unit: str) -> str:
    """`unit`, or where it is longer than 64 bytes of UTF-8: `sha256:` and the first 32 hex digits of its SHA-256.

    The service hashes, publishes and counts by this one, and the worker makes the same of a long unit that another
    publisher sent. Of what a column cannot hold (NUL, lone surrogates) each is U+FFFD first, as in a stored event.
    """
    if len(unit) <= LONGEST // _BYTES_OF_A_CHARACTER:
        return unit
    try:
        encoded = unit.encode()
    except UnicodeEncodeError:
        # Pairs of surrogates become the character that they mean.
        encoded = unit.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
    encoded = encoded.replace(b"\0", _REPLACEMENT.encode())
    if len(encoded) <= LONGEST:
        return unit
    return f"sha256:{sha256(encoded).hexdigest()[:_HEX_DIGITS]}"
