"""A resource's schema out of its generated bindings: each attribute's type, and whether it must or may be given."""

from __future__ import annotations

import re
from typing import Any

# `// topic - computed: false, optional: false, required: true`, and what follows until the next of them.
_MEMBER = re.compile(
    r"// (\w+) - computed: (true|false), optional: (true|false), required: (true|false)\n(.*?)"
    r"(?=\n    // \w+ - computed: |\n    // ====|\n}\n)",
    re.DOTALL,
)
_GIVEN = re.compile(
    r'(\w+): \{\s+value: (.*?),\s+isBlock: (true|false),\s+type: "(\w+)",\s+storageClassType: "(\w+)",',
    re.DOTALL,
)
_TYPES = {"string": "string", "number": "number", "boolean": "bool", "any": "string"}
_GETTERS = {
    "getStringAttribute": "string",
    "getNumberAttribute": "number",
    "getBooleanAttribute": "bool",
    "getListAttribute": ["list", "string"],
    "getNumberListAttribute": ["list", "number"],
    "cdktn.StringMap": ["map", "string"],
    "cdktn.NumberMap": ["map", "number"],
    "cdktn.BooleanMap": ["map", "bool"],
    "cdktn.StringMapList": ["list", ["map", "string"]],
}


def read_schema(source: str) -> dict[str, Any]:
    """`{"attributes": {name: {"type", "required", "optional", "computed"}}, "blocks": {name: {"nesting", "one", …}}}`.

    A type is in Terraform's JSON, such as `"string"` or `["list", "string"]`; `one`: at most one such block. A block
    has `attributes` and `blocks` again.
    """
    return _Bindings(source).resource()


class _Bindings:
    def __init__(self, source: str) -> None:
        self._source = source
        self._classes = dict(
            re.findall(r"^class (\w+) extends [\w.]+ \{\n(.*?^\}\n)", source, re.DOTALL | re.MULTILINE)
        )
        self._given = {
            name[0].upper() + name[1:]: _GIVEN.findall(body)
            for name, body in re.findall(
                r"^function (\w+)ToHclTerraform\(struct\) \{\n(.*?)^\}\n", source, re.DOTALL | re.MULTILINE
            )
        }

    def resource(self) -> dict[str, Any]:
        (name,) = re.findall(
            r"^class (\w+) extends cdktn\.Terraform(?:Resource|DataSource) ", self._source, re.MULTILINE
        )
        body = self._classes[name]
        given = _GIVEN.findall(body[body.index("synthesizeHclAttributes") :])
        return self._block(body, given)

    def _block(self, body: str, given: list[tuple[str, ...]]) -> dict[str, Any]:
        settable = {name: rest for name, *rest in given}
        attributes: dict[str, Any] = {}
        blocks: dict[str, Any] = {}
        for name, computed, optional, required, code in _MEMBER.findall(body):
            value, is_block, shape, stored = settable.get(name, ("", "false", "", ""))
            inner = re.search(r"(\w+)ToHclTerraform(?:, \w+\)|\))?\(this|(\w+)ToHclTerraform", value)
            if is_block == "true":
                struct = _capital(next(filter(None, inner.groups())) if inner else "")
                nested = self._block(self._classes[f"{struct}OutputReference"], self._given[struct])
                nesting = "single" if shape == "struct" else shape
                blocks[name] = nested | {"nesting": nesting, "one": "listMapper" not in value}
                continue
            attributes[name] = {
                "type": self._type_given(value, shape, stored) if value else self._type_read(code),
                "computed": computed == "true",
                "optional": optional == "true",
                "required": required == "true",
            }
        return {"attributes": attributes, "blocks": blocks}

    def _type_given(self, value: str, shape: str, stored: str) -> Any:
        if shape == "simple":
            return _TYPES[stored]
        for word, type_ in _TYPES.items():
            if stored.startswith(word):
                return (
                    [shape, [stored.removeprefix(word)[:4].lower(), type_]]
                    if stored.endswith("ListList")
                    else [shape, type_]
                )
        struct = _capital(re.findall(r"(\w+)ToHclTerraform", value)[0])
        return [shape, self._object(struct)]

    def _type_read(self, code: str) -> Any:
        for getter, type_ in _GETTERS.items():
            if getter in code:
                return type_
        made = re.search(r"new (\w+?)(List|OutputReference|Map)\(this, \"\w+\"(?:, (true|false))?", code)
        if made is None:
            return "dynamic"
        struct, kind, is_set = made.groups()
        return [{"Map": "map"}.get(kind, "set" if is_set == "true" else "list"), self._object(struct)]

    def _object(self, struct: str) -> Any:
        nested = self._block(self._classes[f"{struct}OutputReference"], self._given.get(struct, []))
        fields = {name: attribute["type"] for name, attribute in nested["attributes"].items()}
        fields |= {name: [block["nesting"], _object_of(block)] for name, block in nested["blocks"].items()}
        return ["object", fields]


def _object_of(block: dict[str, Any]) -> Any:
    fields = {name: attribute["type"] for name, attribute in block["attributes"].items()}
    fields |= {name: [inner["nesting"], _object_of(inner)] for name, inner in block["blocks"].items()}
    return ["object", fields]


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]
