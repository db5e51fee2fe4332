"""Ways to write a text so that people can still read it and plain matching does not find it."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

_CYRILLIC = str.maketrans("aceiopsxyABCEHIKMOPSTX", "асеіорѕхуАВСЕНІКМОРЅТХ")
_LEET = str.maketrans("aeioAEIO", "43104310")
_MATHEMATICAL = str.maketrans(
    {
        chr(ord(first) + step): chr(bold + step)
        for first, bold in (("a", 0x1D41A), ("A", 0x1D400))
        for step in range(26)
    }
    | {chr(ord("0") + step): chr(0x1D7CE + step) for step in range(10)}
)
_FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
_TAGS = {code: code + 0xE0000 for code in range(0x20, 0x7F)}


def _spaced(text: str) -> str:
    return "   ".join(" ".join(word) for word in text.split())


EVASIONS: dict[str, Callable[[str], str]] = {
    "zero-width characters": "\u200b".join,
    "Cyrillic look-alikes": lambda text: text.translate(_CYRILLIC),
    "full-width letters": lambda text: text.translate(_FULL_WIDTH),
    "mathematical letters": lambda text: text.translate(_MATHEMATICAL),
    "leet": lambda text: text.translate(_LEET),
    "combining marks": lambda text: re.sub(r"(\w)", "\\1\u0336", text),
    "tag characters": lambda text: text.translate(_TAGS),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "spaced letters": _spaced,
}
