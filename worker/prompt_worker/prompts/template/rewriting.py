"""The tree of a template: what it may hold, and operators, calls and loops replaced by what is bounded."""

from __future__ import annotations

from typing import Any, cast

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from prompt_worker.prompts.errors import short
from prompt_worker.prompts.template import filters
from prompt_worker.prompts.template.bounds import NODE
from prompt_worker.prompts.template.operators import METHODS
from prompt_worker.prompts.template.source import fault_at

_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Scope, nodes.If, nodes.For, nodes.Assign, nodes.Name,
    nodes.Const, nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Keyword, nodes.Slice, nodes.Operand,
    nodes.Not, nodes.And, nodes.Or, nodes.Neg, nodes.Pos, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div,
    nodes.FloorDiv, nodes.Mod, nodes.Pow, nodes.CondExpr,
)  # fmt: skip
# Jinja compiles what is deep in the cube of its depth.
_DEPTH_LIMIT = 60
_NODE_LIMIT = 5_000
# What Jinja itself puts into every template.
_RESERVED = frozenset({"self", "super", "caller", "varargs", "kwargs"})


class Rewriting(NodeTransformer):
    """Of one template. Raises `TemplateFaultError` for what a prompt may not use."""

    def __init__(self) -> None:
        self._nodes = self._depth = 0

    def visit(self, node: nodes.Node, *arguments: Any, **named: Any) -> Any:
        self._nodes += 1
        self._depth += 1
        if self._nodes > _NODE_LIMIT:
            raise fault_at(node.lineno, f"it has more than {_NODE_LIMIT:,} names, values and operators")
        if self._depth > _DEPTH_LIMIT:
            raise fault_at(node.lineno, f"it is nested more than {_DEPTH_LIMIT} deep")
        visited = super().visit(node, *arguments, **named)
        self._depth -= 1
        return visited

    def generic_visit(self, node: nodes.Node, *arguments: Any, **named: Any) -> nodes.Node:
        if not isinstance(node, _ALLOWED):
            raise fault_at(
                node.lineno, f"a prompt may use if, for, set and include, not {type(node).__name__.lower()}"
            )
        return super().generic_visit(node, *arguments, **named)

    def visit_Name(self, node: nodes.Name) -> nodes.Node:
        if node.name in _RESERVED or node.name.startswith("_"):
            raise fault_at(node.lineno, f"{short(node.name)} cannot be the name of a variable")
        return node

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:
        if node.name not in filters.NAMES:
            raise fault_at(node.lineno, f"no filter {short(node.name)}: there are {_listed(filters.NAMES)}")
        if node.node is None or node.dyn_args is not None or node.dyn_kwargs is not None:
            raise fault_at(node.lineno, "a filter has a value and plain arguments")
        return super().generic_visit(node)

    def visit_Test(self, node: nodes.Test) -> nodes.Node:
        if node.name not in filters.TESTS:
            raise fault_at(node.lineno, f"no test {short(node.name)}: there are {_listed(filters.TESTS)}")
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            raise fault_at(node.lineno, "a test has plain arguments")
        return super().generic_visit(node)

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Node:
        if node.attr.startswith("_"):
            raise fault_at(node.lineno, "a name that begins with _ is none of a variable's")
        return super().generic_visit(node)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        key = node.arg.value if isinstance(node.arg, nodes.Const) else None
        if isinstance(key, str) and key.startswith("_"):
            raise fault_at(node.lineno, "a name that begins with _ is none of a variable's")
        super().generic_visit(node)
        if isinstance(node.arg, nodes.Slice):
            node.node = _filter(filters.WEIGH, node.node, [])
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        super().generic_visit(node)
        return _filter(filters.CONCATENATE, nodes.List(node.nodes, lineno=node.lineno), [])

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        super().generic_visit(node)
        # To compare with a constant reads no more than the constant.
        searched = any(operand.op in ("in", "notin") for operand in node.ops)
        if searched or not any(isinstance(operand.expr, nodes.Const) for operand in node.ops):
            node.expr = _filter(filters.WEIGH, node.expr, [])
            for operand in node.ops:
                operand.expr = _filter(filters.WEIGH, operand.expr, [])
        return node

    def visit_Call(self, node: nodes.Call) -> nodes.Node:
        if node.kwargs or node.dyn_args is not None or node.dyn_kwargs is not None:
            raise fault_at(node.lineno, "a call has plain arguments")
        called = node.node
        if isinstance(called, nodes.Name) and called.name == "range":
            arguments = [self.visit(argument) for argument in node.args]
            return _filter(filters.RANGE, nodes.List(arguments, lineno=node.lineno), [])
        if isinstance(called, nodes.Getattr) and called.attr in METHODS:
            method = nodes.Const(called.attr, lineno=node.lineno)
            arguments = [self.visit(argument) for argument in node.args]
            return _filter(filters.METHOD, self.visit(called.node), [method, *arguments])
        raise fault_at(node.lineno, f"only range(...) and these of a value can be called: {_listed(METHODS)}")

    def visit_For(self, node: nodes.For) -> nodes.Node:
        if node.recursive:
            raise fault_at(node.lineno, "a loop cannot be recursive")
        super().generic_visit(node)
        weight = NODE * sum(
            1 for each in [*node.body, *([node.test] if node.test else [])] for _ in _all(each)
        )
        node.iter = _filter(filters.LOOP, node.iter, [nodes.Const(weight, lineno=node.lineno)])
        return node


def _filter(name: str, value: nodes.Node, arguments: list[nodes.Expr]) -> nodes.Filter:
    return nodes.Filter(cast(nodes.Expr, value), name, arguments, [], None, None, lineno=value.lineno)


def _all(node: nodes.Node) -> list[nodes.Node]:
    return [node, *node.find_all(nodes.Node)]


def _listed(known: Any) -> str:
    return ", ".join(sorted(known))
