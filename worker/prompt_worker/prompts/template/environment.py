"""Jinja2, reduced: a sandbox without Python's attributes, with our filters, and nothing escaped or trimmed."""

from __future__ import annotations

from typing import Any, cast

from jinja2 import StrictUndefined
from jinja2.runtime import Context, LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from prompt_worker.prompts.template import filters, operators
from prompt_worker.prompts.template.bounds import BoundedContext
from prompt_worker.prompts.template.output import text

_LOOP = frozenset(
    {"index", "index0", "revindex", "revindex0", "first", "last", "length", "previtem", "nextitem", "depth"}
)


class PromptEnvironment(ImmutableSandboxedEnvironment):
    """Values are plain JSON: of an object its keys can be read, of a list its items, of `loop` what Jinja documents."""

    context_class = BoundedContext
    intercepted_binops = operators.BOUNDED

    def __init__(self) -> None:
        super().__init__(
            autoescape=False,
            keep_trailing_newline=True,
            undefined=StrictUndefined,
            finalize=text,
            optimized=False,
            cache_size=0,
        )
        self.filters = dict(filters.FILTERS)
        self.tests = dict(filters.TESTS)
        self.globals = {}

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, LoopContext) and attribute in _LOOP:
            return getattr(obj, attribute)
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, (dict, list, tuple, str)):
            try:
                return obj[argument]
            except (TypeError, LookupError):
                pass
        elif isinstance(obj, Undefined):
            # Raises what says that it does not exist.
            return obj[argument]
        return self.undefined(obj=obj, name=argument)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return False

    def is_safe_callable(self, obj: Any) -> bool:
        return False

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        return operators.binary(cast(BoundedContext, context), operator, left, right)
