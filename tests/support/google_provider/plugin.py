"""The provider itself: answers Terraform over the plugin protocol, and keeps what it makes in a `Cloud`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import grpc

from tests.support.google_provider.cloud import (
    FROM_API,
    PROTECTED,
    Cloud,
    RefusedError,
    State,
    computed,
    replaces,
)
from tests.support.google_provider.package import Schema, protocol
from tests.support.google_provider.wire import UNKNOWN, dynamic_of, is_unknown, schema_of, value_of

_PROVIDER = {
    "attributes": {
        name: {"type": type_, "required": False, "optional": True, "computed": False}
        for name, type_ in (
            ("project", "string"),
            ("region", "string"),
            ("default_labels", ["map", "string"]),
        )
    },
    "blocks": {},
}


@contextmanager
def serving(cloud: Cloud, schemas: dict[str, Schema]) -> Iterator[dict[str, str]]:
    """The environment in which Terraform finds it running, and downloads none. Raises `NotAvailableError`."""
    messages, services = protocol()
    server = grpc.server(ThreadPoolExecutor(8))
    services.add_ProviderServicer_to_server(_Provider(messages, cloud, schemas), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    reattach = {
        "Protocol": "grpc", "ProtocolVersion": 6, "Pid": os.getpid(), "Test": True,
        "Addr": {"Network": "tcp", "String": f"127.0.0.1:{port}"},
    }  # fmt: skip
    try:
        yield {"TF_REATTACH_PROVIDERS": json.dumps({"registry.terraform.io/hashicorp/google": reattach})}
    finally:
        server.stop(None)


class _Provider:
    def __init__(self, messages: ModuleType, cloud: Cloud, schemas: dict[str, Schema]) -> None:
        self._messages, self._cloud, self._schemas = messages, cloud, schemas

    def __getattr__(self, name: str) -> Callable[[Any, Any], Any]:
        """One of the protocol's calls; what needs no answer of its own is accepted, with nothing found wrong."""
        answered = {
            "GetProviderSchema": self._schema,
            "UpgradeResourceState": self._upgrade,
            "ReadDataSource": self._read_data,
            "ReadResource": self._read,
            "PlanResourceChange": self._plan,
            "ApplyResourceChange": self._apply,
        }
        answer = answered.get(name) or (lambda _: getattr(self._messages, name).Response())
        return lambda request, _: answer(request)

    def _schema(self, request: Any) -> Any:
        made = {kind: schema_of(self._messages, schema) for kind, schema in self._schemas.items()}
        return self._messages.GetProviderSchema.Response(
            provider=schema_of(self._messages, _PROVIDER),
            resource_schemas={kind: made[kind] for kind in made if not kind.startswith("data.")},
            data_source_schemas={kind[5:]: made[kind] for kind in made if kind.startswith("data.")},
        )

    def _upgrade(self, request: Any) -> Any:
        state = json.loads(request.raw_state.json)
        return self._messages.UpgradeResourceState.Response(upgraded_state=dynamic_of(self._messages, state))

    def _read_data(self, request: Any) -> Any:
        kind = f"data.{request.type_name}"
        state = self._filled(kind, value_of(request.config))
        return self._messages.ReadDataSource.Response(state=dynamic_of(self._messages, state))

    def _read(self, request: Any) -> Any:
        state = self._cloud.read(value_of(request.current_state))
        return self._messages.ReadResource.Response(new_state=dynamic_of(self._messages, state))

    def _plan(self, request: Any) -> Any:
        kind, prior, planned = (
            request.type_name,
            value_of(request.prior_state),
            value_of(request.proposed_new_state),
        )
        replaced = []
        if planned is not None:
            if kind in PROTECTED and planned["deletion_protection"] is None:
                planned["deletion_protection"] = True
            for (of_kind, name), new in FROM_API.items():
                if kind == of_kind and not planned[name]:
                    inner = self._schemas[kind]["blocks"][name]["attributes"]
                    planned[name] = prior[name] if prior else [dict.fromkeys(inner) | new]
            planned = self._with_unknown(self._schemas[kind], planned)
            if prior is not None:
                replaced = [name for name in planned if replaces(kind, name) and planned[name] != prior[name]]
                if replaced:
                    planned = self._decided_again(self._schemas[kind], planned, value_of(request.config))
        path = self._messages.AttributePath
        return self._messages.PlanResourceChange.Response(
            planned_state=dynamic_of(self._messages, planned),
            requires_replace=[path(steps=[path.Step(attribute_name=name)]) for name in replaced],
            legacy_type_system=True,
        )

    def _apply(self, request: Any) -> Any:
        kind, prior, planned = (
            request.type_name,
            value_of(request.prior_state),
            value_of(request.planned_state),
        )
        response = self._messages.ApplyResourceChange.Response
        try:
            if planned is None:
                self._cloud.delete(kind, prior)
                return response(new_state=dynamic_of(self._messages, None))
            state = self._filled(kind, planned)
            (self._cloud.create if prior is None else self._cloud.update)(kind, state)
        except RefusedError as error:
            wrong = self._messages.Diagnostic(severity=self._messages.Diagnostic.ERROR, summary=str(error))
            return response(
                new_state=dynamic_of(self._messages, prior), diagnostics=[wrong], legacy_type_system=True
            )
        return response(new_state=dynamic_of(self._messages, state), legacy_type_system=True)

    def _with_unknown(self, block: Schema, value: State) -> State:
        """What is left to Google Cloud is unknown until it is applied."""
        return self._walked(
            block,
            value,
            lambda name, attribute, given: UNKNOWN if given is None and attribute["computed"] else given,
        )

    def _decided_again(self, block: Schema, value: State, config: State) -> State:
        return value | {
            name: UNKNOWN
            for name, attribute in block["attributes"].items()
            if attribute["computed"] and config[name] is None
        }

    def _filled(self, kind: str, value: State) -> State:
        """With what Google Cloud decided."""
        top = {key: given for key, given in value.items() if not is_unknown(given)}

        def decided(name: str, attribute: dict[str, Any], given: Any) -> Any:
            if is_unknown(given) or (given is None and attribute["computed"]):
                return computed(kind, name, attribute["type"], top)
            return given

        return self._walked(self._schemas[kind], value, decided)

    def _walked(self, block: Schema, value: State, each: Callable[[str, dict[str, Any], Any], Any]) -> State:
        made: State = {
            name: each(name, attribute, value[name]) for name, attribute in block["attributes"].items()
        }
        for name, inner in block["blocks"].items():
            given = value[name]
            if given is None or is_unknown(given):
                made[name] = given if given is not None or inner["nesting"] == "single" else []
            elif isinstance(given, list):
                made[name] = [one if is_unknown(one) else self._walked(inner, one, each) for one in given]
            else:
                made[name] = self._walked(inner, given, each)
        return made
