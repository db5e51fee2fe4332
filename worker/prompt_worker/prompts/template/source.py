"""A template's source as tokens that know their place, and what is refused before it is parsed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from jinja2 import TemplateSyntaxError
from jinja2.environment import Environment
from jinja2.lexer import Token, TokenStream
from jinja2.parser import Parser

from prompt_worker.prompts.errors import Fault, TemplateFaultError

SIZE_LIMIT = 64_000
TAG_LIMIT = 500
_TAGS = frozenset({"variable_begin", "block_begin"})
_RAW = "write {% raw %} before and {% endraw %} after it"
_JSON = f"{{{{ followed by a quote looks like JSON: if it is text, {_RAW}"
_COMMENT = f"{{# begins a comment, which has lines of its own and ends with #}}: if it is text, {_RAW}"


class Place(int):
    """A line, as Jinja counts them, that also knows its column. Every node of the tree has one as its `lineno`."""

    column: int

    def __new__(cls, line: int, column: int) -> Place:
        made = super().__new__(cls, line)
        made.column = column
        return made


def fault_at(place: int | None, message: str) -> TemplateFaultError:
    return TemplateFaultError(Fault(message, int(place or 0), getattr(place, "column", 1) if place else 0))


def parser(environment: Environment, source: str) -> tuple[Parser, int]:
    """A parser of `source`, and how many tags it has. Raises `TemplateFaultError`."""
    if (size := len(source.encode(errors="replace"))) > SIZE_LIMIT:
        raise fault_at(
            None, f"it has {size:,} bytes: at most {SIZE_LIMIT:,} are allowed, so split it or shorten it"
        )
    tokens = list(_tokens(environment, source))
    tags = [place for place, kind, _ in tokens if kind in _TAGS]
    if len(tags) > TAG_LIMIT:
        raise fault_at(tags[TAG_LIMIT], f"it has {len(tags):,} tags: at most {TAG_LIMIT} are allowed")
    _refuse_lookalikes(tokens, source)
    stream: Iterator[Token] = environment.lexer.wrap(iter(tokens), None, None)
    made = Parser(environment, "")
    made.stream = TokenStream(stream, None, None)
    return made, len(tags)


def _tokens(environment: Environment, source: str) -> Iterator[tuple[Place, str, str]]:
    """As the lexer gives them, blanks and comments included."""
    offset, line, start = 0, 1, 0
    place = Place(1, 1)
    try:
        for _, kind, value in environment.lexer.tokeniter(source, None):
            # Blanks that `{%-` removes are in no token.
            at = source.find(value, offset)
            if newlines := source.count("\n", offset, at):
                line, start = line + newlines, source.rfind("\n", 0, at) + 1
            place = Place(line, at - start + 1)
            yield place, kind, value
            if newlines := value.count("\n"):
                line, start = line + newlines, at + value.rfind("\n") + 1
            offset = at + len(value)
    except TemplateSyntaxError as error:
        # What lacks an end is where it began.
        begins = "Missing end" in (error.message or "")
        raise fault_at(place if begins else Place(line, offset - start + 1), syntax_message(error)) from None


def _refuse_lookalikes(tokens: list[tuple[Place, str, str]], source: str) -> None:
    """JSON whose braces would be read as tags. Raises `TemplateFaultError`."""
    lines = source.split("\n")
    for (place, kind, _), (_, following, _) in pairwise(tokens):
        if kind == "variable_begin" and following == "string":
            raise fault_at(place, _JSON)
        if kind == "comment_begin" and lines[place - 1][: place.column - 1].strip():
            raise fault_at(place, _COMMENT)


def syntax_message(error: TemplateSyntaxError) -> str:
    """What Jinja says without the words of the template that it quotes."""
    said = error.message or ""
    if "comment" in said:
        return _COMMENT
    if said.startswith("expected token"):
        return f"{said.partition(', got')[0]} (or text that is no tag: {_RAW})"
    for beginning in (
        "Missing end of raw",
        "unexpected char",
        "Encountered unknown tag",
        "unexpected end of template",
        "Unexpected end of template",
    ):
        if said.startswith(beginning):
            return f"{beginning[0].lower()}{beginning[1:]} (if it is text, {_RAW})"
    return f"not a valid template (if it is text, {_RAW})"


def syntax_fault(error: TemplateSyntaxError, parsing: Parser) -> TemplateFaultError:
    """Of the parser, whose errors have the place of a token."""
    place = error.lineno if isinstance(error.lineno, Place) else parsing.stream.current.lineno
    return fault_at(place, syntax_message(error))
