"""Texts that a browser would act on, where a page forgot to escape them. No sign may come through."""

from __future__ import annotations

# What a page must never hold as it is; each is followed by what would run.
SIGNS = (
    "<script>odd",
    "<img src=x onerror=odd",
    '" onfocus="odd',
    "' autofocus onfocus='odd",
    "<svg/onload=odd",
)

HOSTILE = (
    "<script>odd()</script>"
    "<img src=x onerror=odd()>"
    '" onfocus="odd()" x="'
    "' autofocus onfocus='odd()' x='"
    "<svg/onload=odd()>"
    "</textarea></title></style><!--"
    "{{ 7 * 7 }}{% raw %}${7*7}"
    "javascript:odd()//"
    "\N{RIGHT-TO-LEFT OVERRIDE}evil\N{ZERO WIDTH SPACE}\N{TAG LATIN SMALL LETTER A}\N{HANGUL FILLER}"
    "=cmd|'/c calc'!A1 %2F..%2F \\ &amp; \N{GRINNING FACE}"
)
# Of which none may be in a page unmarked.
UNSEEN = "\N{RIGHT-TO-LEFT OVERRIDE}\N{ZERO WIDTH SPACE}\N{TAG LATIN SMALL LETTER A}\N{HANGUL FILLER}"
