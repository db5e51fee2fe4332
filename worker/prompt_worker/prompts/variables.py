"""The variables of a prompt: which there must be, of which kind, and what takes the place of those that are not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from prompt_worker.prompts.content import Variables
from prompt_worker.prompts.errors import Fault, TemplateFaultError, VariablesError, short
from prompt_worker.prompts.template.output import Absent
from prompt_worker.prompts.template.usage import Usage
from prompt_worker.prompts.values import ValueProblemError, as_json

Kind = Literal["string", "integer", "number", "boolean", "list", "object", "any"]
_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "list": (list,),
    "object": (dict,),
}
_SAMPLES: dict[str, Any] = {
    "string": "t",
    "integer": 3,
    "number": 2.5,
    "boolean": True,
    "list": ["text"],
    "object": {"text": "text"},
}


class Variable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of the object form. Without a default it is required, unless it says otherwise."""

    type: Kind = "any"
    required: bool | None = None
    max_chars: Annotated[int, msgspec.Meta(ge=1)] | None = None
    default: Any = msgspec.UNSET
    description: str | None = None

    @property
    def is_required(self) -> bool:
        return self.default is msgspec.UNSET if self.required is None else self.required

    def problem(self, value: Any) -> str | None:
        """Why `value` is none of this kind; holds nothing of it."""
        if value is None and not self.is_required:
            return None
        fits = self.type == "any" or (
            isinstance(value, _KINDS[self.type]) and (self.type == "boolean" or not isinstance(value, bool))
        )
        if not fits:
            return f"expected {self.type}, got {_kind_of(value)}"
        if self.max_chars is not None and isinstance(value, str) and len(value) > self.max_chars:
            return f"has {len(value):,} characters, at most {self.max_chars:,} are allowed"
        return None

    def sample(self, value: Any) -> Any:
        """`value` if it fits, else one that does."""
        return value if self.type == "any" or self.problem(value) is None else _SAMPLES[self.type]


class Declared:
    """The variables of one version, as its author wrote them and its templates read them."""

    def __init__(self, required: frozenset[str], known: frozenset[str], typed: dict[str, Variable]) -> None:
        self.required = required
        self._known = known
        # With what is accepted besides, and read by no template.
        self._accepted = known
        self._typed = typed
        self._absent = {name: self._without(name) for name in sorted(known - required)}

    @classmethod
    def of(cls, variables: Variables, used: Sequence[tuple[str, Usage]]) -> Declared:
        """`used`: what each part of the version reads.

        Raises `TemplateFaultError` for a declaration that cannot be used, or lacks what a part reads.
        """
        read = _merged(usage for _, usage in used)
        if not variables:
            return cls(read.required, read.all, {})
        names = frozenset(variables)
        for part, usage in used:
            for name in sorted(usage.all - names):
                place = usage.places.get(name)
                message = f"it reads {short(name)}, which `variables` does not declare"
                line, column = (int(place), place.column) if place else (0, 0)
                raise TemplateFaultError(Fault(message, line, column), part)
        if isinstance(variables, list):
            return cls(read.required, names, {})
        typed = {name: _variable(name, given) for name, given in variables.items()}
        required = frozenset(name for name, variable in typed.items() if variable.is_required)
        return cls(required, names, typed)

    def accepting(self, others: frozenset[str]) -> Declared:
        """The same; `others` are no error where they are given."""
        self._accepted = self._known | others
        return self

    @property
    def known(self) -> frozenset[str]:
        return self._known

    def kind(self, name: str) -> Kind:
        """`any` where it is not declared."""
        return typed.type if (typed := self._typed.get(name)) is not None else "any"

    def checked(self, label: str, variables: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """What was given as plain JSON; and with what takes the place of the rest. Raises `VariablesError`."""
        if not isinstance(variables, Mapping):
            raise VariablesError(label, invalid=["expected an object of names and values"])
        given = variables.keys()
        if given != self._known and not self.required <= given <= self._accepted:
            raise VariablesError(
                label,
                missing=self.required - given,
                unexpected=[str(name) for name in given if name not in self._accepted],
            )
        plain, invalid = {}, []
        for name, value in variables.items():
            try:
                plain[name] = made = as_json(value)
            except ValueProblemError as problem:
                invalid.append(f"{short(name)} {problem}")
                continue
            if (typed := self._typed.get(name)) is not None and (wrong := typed.problem(made)):
                invalid.append(
                    f"{short(name)} {wrong}" if wrong.startswith("has") else f"{short(name)}: {wrong}"
                )
        if invalid:
            raise VariablesError(label, invalid=invalid)
        complete = {**self._absent, **plain}
        for name, value in self._absent.items():
            # Null says of an optional variable what leaving it out says.
            if complete[name] is None:
                complete[name] = value
        return plain, complete

    def trial(self, value: Any) -> dict[str, Any]:
        """`value` for every variable that may have it, for the others one of their kind."""
        return {
            name: value if (typed := self._typed.get(name)) is None else typed.sample(value)
            for name in self._known
        }

    def _without(self, name: str) -> Any:
        """What an optional variable is when it was not given. No default and null are the same: nothing."""
        variable = self._typed.get(name)
        if variable is None or variable.default is msgspec.UNSET or variable.default is None:
            return Absent(name=name)
        return variable.default


def _merged(found: Iterable[Usage]) -> Usage:
    """Of several templates that are rendered with the same variables."""
    used = list(found)
    required = frozenset[str]().union(*(each.required for each in used))
    read = frozenset[str]().union(*(each.all for each in used))
    return Usage(required, read - required, {})


def _variable(name: str, given: Any) -> Variable:
    try:
        variable = msgspec.convert(given, Variable)
    except msgspec.ValidationError:
        kinds = ", ".join(_KINDS)
        raise TemplateFaultError(
            Fault(
                f"the declaration of {short(name)} is not valid: it has type ({kinds} or any), required, max_chars, "
                "default and description"
            )
        ) from None
    has_default = variable.default is not msgspec.UNSET and variable.default is not None
    if has_default and (problem := variable.problem(variable.default)):
        raise TemplateFaultError(Fault(f"the default of {short(name)} does not fit: {problem}"))
    return variable


def _kind_of(value: Any) -> str:
    if value is None:
        return "null"
    kinds = [kind for kind, types in _KINDS.items() if type(value) in types]
    return kinds[0] if kinds else "another kind"
