"""Which variables a template reads, and which of them may be absent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from jinja2 import nodes
from jinja2.meta import TrackingCodeGenerator

from prompt_worker.prompts.template.source import Place

_NOTHING: frozenset[str] = frozenset()


class Usage(NamedTuple):
    """`optional`: read only where an `if` or `default` has asked for it. `places`: where each is read first."""

    required: frozenset[str]
    optional: frozenset[str]
    places: dict[str, Place]

    @property
    def all(self) -> frozenset[str]:
        return self.required | self.optional


def usage(tree: nodes.Template) -> Usage:
    read = _read(tree)
    required = frozenset(_unguarded(tree, _NOTHING)) & read
    places: dict[str, Place] = {}
    for name in tree.find_all(nodes.Name):
        if isinstance(name.lineno, Place):
            places.setdefault(name.name, name.lineno)
    return Usage(required, read - required, places)


def _read(tree: nodes.Template) -> frozenset[str]:
    """As Jinja's `find_undeclared_variables`, which would also evaluate what is constant, and fail where that fails."""
    tracking = TrackingCodeGenerator(tree.environment)  # type: ignore[arg-type]
    tracking.optimizer = None
    tracking.visit(tree)
    return frozenset(tracking.undeclared_identifiers)


def _unguarded(node: nodes.Node, guarded: frozenset[str]) -> Iterator[str]:
    """The names that are read where nothing has asked whether they are there."""
    match node:
        case nodes.Name():
            if node.ctx == "load" and node.name not in guarded:
                yield node.name
        case nodes.If():
            yield from _asked(node.test, guarded)
            yield from _each(node.body, guarded | _true_of(node.test))
            yield from _each([*node.elif_, *node.else_], guarded | _false_of(node.test))
        case nodes.For():
            inside = guarded | _names(node.target)
            yield from _unguarded(node.iter, guarded)
            yield from _each([*([node.test] if node.test else []), *node.body], inside)
            yield from _each(node.else_, guarded)
        case nodes.CondExpr():
            yield from _asked(node.test, guarded)
            yield from _unguarded(node.expr1, guarded | _true_of(node.test))
            if node.expr2 is not None:
                yield from _unguarded(node.expr2, guarded | _false_of(node.test))
        case nodes.And() | nodes.Or() | nodes.Not():
            yield from _asked(node, guarded)
        case nodes.Filter(name="default" | "d") | nodes.Test(name="defined" | "undefined" | "none"):
            children = [child for child in node.iter_child_nodes() if not _is_name(child, node)]
            yield from _each(children, guarded)
        case _:
            yield from _each(node.iter_child_nodes(), guarded)


def _each(found: Iterator[nodes.Node] | list[nodes.Node], guarded: frozenset[str]) -> Iterator[str]:
    for node in found:
        yield from _unguarded(node, guarded)
        if isinstance(node, nodes.Assign):
            # From here on the name is the template's own.
            guarded |= _names(node.target)


def _names(target: nodes.Node) -> frozenset[str]:
    """What a `for` or `set` gives a value to."""
    inside = frozenset(name.name for name in target.find_all(nodes.Name))
    return inside | {target.name} if isinstance(target, nodes.Name) else inside


def _is_name(child: nodes.Node, parent: nodes.Node) -> bool:
    return child is getattr(parent, "node", None) and isinstance(child, nodes.Name)


def _asked(test: nodes.Node, guarded: frozenset[str]) -> Iterator[str]:
    """As `_unguarded` of an expression of which only the truth counts: a name itself asks."""
    match test:
        case nodes.Name():
            return
        case nodes.And():
            yield from _asked(test.left, guarded)
            yield from _asked(test.right, guarded | _true_of(test.left))
        case nodes.Or():
            yield from _asked(test.left, guarded)
            yield from _asked(test.right, guarded | _false_of(test.left))
        case nodes.Not():
            yield from _asked(test.node, guarded)
        case _:
            yield from _unguarded(test, guarded)


def _true_of(test: nodes.Node) -> frozenset[str]:
    """The names that are there where `test` holds."""
    match test:
        case nodes.Name():
            return frozenset({test.name})
        case nodes.Test(name="defined") if isinstance(test.node, nodes.Name):
            return frozenset({test.node.name})
        case nodes.And():
            return _true_of(test.left) | _true_of(test.right)
        case nodes.Or():
            return _true_of(test.left) & _true_of(test.right)
        case nodes.Not():
            return _false_of(test.node)
    return _NOTHING


def _false_of(test: nodes.Node) -> frozenset[str]:
    """The names that are there where `test` does not hold."""
    match test:
        case nodes.Test(name="undefined") if isinstance(test.node, nodes.Name):
            return frozenset({test.node.name})
        case nodes.Not():
            return _true_of(test.node)
        case nodes.Or():
            return _false_of(test.left) | _false_of(test.right)
        case nodes.And():
            return _false_of(test.left) & _false_of(test.right)
    return _NOTHING
