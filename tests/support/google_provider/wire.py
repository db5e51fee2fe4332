"""Schemas and values as Terraform's plugin protocol writes them."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import msgspec

# What is only known once it is applied; MessagePack's extension 0 is Terraform's own mark for it.
UNKNOWN = msgspec.msgpack.Ext(0, b"\x00")


def is_unknown(value: Any) -> bool:
    return isinstance(value, msgspec.msgpack.Ext)


def value_of(dynamic: Any) -> Any:
    """A value of the protocol as Python's; None where there is none."""
    return msgspec.msgpack.decode(dynamic.msgpack) if dynamic.msgpack else json.loads(dynamic.json or b"null")


def dynamic_of(messages: ModuleType, value: Any) -> Any:
    return messages.DynamicValue(msgpack=msgspec.msgpack.encode(value))


def schema_of(messages: ModuleType, block: dict[str, Any]) -> Any:
    """A schema of `read_schema` as the protocol's message."""
    return messages.Schema(version=0, block=_block_of(messages, block))


def _block_of(messages: ModuleType, block: dict[str, Any]) -> Any:
    schema = messages.Schema
    return schema.Block(
        attributes=[
            schema.Attribute(
                name=name,
                type=json.dumps(attribute["type"]).encode(),
                **{key: attribute[key] for key in ("required", "optional", "computed")},
            )
            for name, attribute in block["attributes"].items()
        ],
        block_types=[
            schema.NestedBlock(
                type_name=name,
                block=_block_of(messages, inner),
                nesting=schema.NestedBlock.NestingMode.Value(inner["nesting"].upper()),
                max_items=1 if inner["one"] and inner["nesting"] != "single" else 0,
            )
            for name, inner in block["blocks"].items()
        ],
    )
