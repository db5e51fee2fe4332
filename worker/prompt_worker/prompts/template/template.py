"""One compiled text: compiled once, rendered within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from jinja2 import Template as JinjaTemplate
from jinja2 import UndefinedError

from prompt_worker.prompts.errors import (
    Fault,
    RenderError,
    RenderLimitError,
    TemplateFaultError,
    short,
)
from prompt_worker.prompts.template.bounds import BoundedContext, Budget, LimitError, within_limit
from prompt_worker.prompts.template.environment import PromptEnvironment
from prompt_worker.prompts.template.including import Expansion, Lookup
from prompt_worker.prompts.template.output import BareValueError
from prompt_worker.prompts.template.rewriting import Rewriting
from prompt_worker.prompts.template.usage import Usage, usage

_environment = PromptEnvironment()
_LIMITS = (LimitError, RecursionError, MemoryError)
_COMPILERS_LIMITS = (RecursionError, MemoryError, SyntaxError, OverflowError, ValueError)
_TOO_DEEP = "it is nested too deeply, or has a number or a name that Python cannot hold"


class Template:
    """`usage` says which variables it reads, `included` the hash of each version that it includes."""

    __slots__ = ("_compiled", "included", "usage")

    def __init__(self, compiled: JinjaTemplate, used: Usage, included: Mapping[str, str]) -> None:
        self._compiled = compiled
        self.usage = used
        self.included = included

    def render(self, label: str, variables: dict[str, Any], budget: Budget) -> str:
        """The text. `label` names the prompt in errors. Raises `RenderError`."""
        context = BoundedContext(_environment, variables, None, {})
        context.budget = budget
        try:
            return "".join(within_limit(self._compiled.root_render_func(context)))
        # A template may raise anything over values that do not fit it; what it says may quote them.
        except Exception as error:
            where = self._line(error.__traceback__)
            kind = RenderLimitError if isinstance(error, _LIMITS) else RenderError
            raise kind(f"{short(label)} cannot be rendered{where}: {_reason(error)}") from None

    def _line(self, traceback: TracebackType | None) -> str:
        """Unknown where lines may be those of a fragment."""
        line = 0
        while traceback is not None and not self.included:
            if traceback.tb_frame.f_globals.get("__jinja_template__") is self._compiled:
                line = self._compiled.get_corresponding_lineno(traceback.tb_lineno)
            traceback = traceback.tb_next
        return f" (line {line})" if line else ""


def compile_template(source: str, lookup: Lookup = lambda _: None, ref: str = "") -> Template:
    """`ref` is its own, so that it does not include itself. Raises `TemplateFaultError`, which says where and why."""
    expansion = Expansion(_environment, lookup)
    try:
        tree = expansion.tree(source, (ref,))
        Rewriting().visit(tree)
        used = usage(tree)
        code = _environment.compile(tree)
        compiled = JinjaTemplate.from_code(_environment, code, {})
    except TemplateFaultError:
        raise
    # Of Jinja's compiler and Python's; what they say may quote the template.
    except _COMPILERS_LIMITS:
        raise TemplateFaultError(Fault(_TOO_DEEP, 1, 1)) from None
    # One template must not stop all others; by its name the fault can be found.
    except Exception as error:
        raise TemplateFaultError(Fault(f"it cannot be compiled ({type(error).__name__})", 1, 1)) from None
    return Template(compiled, used, expansion.included)


def _reason(error: Exception) -> str:
    if isinstance(error, LimitError | BareValueError):
        return str(error)
    if isinstance(error, UndefinedError):
        return "it reads something that does not exist in its variables"
    if isinstance(error, _LIMITS):
        return "it needs more memory or depth than there is"
    return "a filter or an operator does not fit the kind of its value"
