"""`{% include "fragments/tone" %}`: the fragment's tree in place of the tag, when the snapshot is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from jinja2 import TemplateSyntaxError, nodes
from jinja2.environment import Environment
from jinja2.visitor import NodeTransformer

from prompt_worker.prompts.errors import Fault, TemplateFaultError, short
from prompt_worker.prompts.template.source import SIZE_LIMIT, TAG_LIMIT, fault_at, parser, syntax_fault

DEPTH_LIMIT = 5


@dataclass(frozen=True)
class Fragment:
    """What an include resolves to: the text of one version of another prompt, and its ref."""

    ref: str
    text: str
    sha256: str


# The fragment of what is between the quotes; None where there is none.
Lookup = Callable[[str], Fragment | None]


@dataclass
class Expansion:
    """What is known of a template with all that it includes. `included`: each reference with its content's hash."""

    environment: Environment
    lookup: Lookup
    included: dict[str, str] = field(default_factory=dict)
    tags: int = 0
    size: int = 0

    def tree(self, source: str, around: tuple[str, ...]) -> nodes.Template:
        """The tree of `source` without any include; `around` are the refs of what it is in, and its own.

        Raises `TemplateFaultError`.
        """
        parsing, tags = parser(self.environment, source)
        self.tags += tags
        self.size += len(source.encode(errors="replace"))
        if self.tags > TAG_LIMIT or self.size > SIZE_LIMIT:
            raise fault_at(
                None, f"with what it includes it has more than {TAG_LIMIT} tags or {SIZE_LIMIT:,} bytes"
            )
        try:
            parsed = parsing.parse()
        except TemplateSyntaxError as error:
            raise syntax_fault(error, parsing) from None
        _Including(self, around).visit(parsed)
        return parsed


class _Including(NodeTransformer):
    def __init__(self, expansion: Expansion, around: tuple[str, ...]) -> None:
        self._expansion = expansion
        self._around = around

    def visit_Include(self, node: nodes.Include, *_: Any) -> nodes.Node:
        named = node.template
        if not (isinstance(named, nodes.Const) and isinstance(named.value, str)):
            raise fault_at(node.lineno, 'include needs a name in quotes, such as "fragments/tone"')
        if node.ignore_missing or not node.with_context:
            raise fault_at(node.lineno, "include has a name and nothing else")
        return nodes.Scope(self._fragment(named.value, node.lineno).body, lineno=node.lineno)

    def _fragment(self, reference: str, place: int) -> nodes.Template:
        fragment = self._expansion.lookup(reference)
        if fragment is None:
            raise fault_at(place, f"it includes {short(reference)}, which does not exist or is a chat")
        if fragment.ref in self._around:
            circle = " → ".join(map(short, [*self._around, fragment.ref]))
            raise fault_at(place, f"includes form a circle: {circle}")
        if len(self._around) > DEPTH_LIMIT:
            raise fault_at(place, f"includes are more than {DEPTH_LIMIT} deep")
        self._expansion.included[reference] = fragment.sha256
        try:
            return self._expansion.tree(fragment.text, (*self._around, fragment.ref))
        except TemplateFaultError as error:
            inner = f"in the included {short(fragment.ref)}: {error.fault}"
            raise TemplateFaultError(Fault(inner, int(place), getattr(place, "column", 1))) from None
