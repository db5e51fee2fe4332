"""An OpenTelemetry collector for tests: accepts OTLP over HTTP from any process, and keeps what came."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.http_server import Handler, HttpServer
from tests.support.pipeline import wait_until


class Span:
    """`parent` is a span id, empty for the first of a trace; ids are hexadecimal."""

    def __init__(self, span: Any, service: str) -> None:
        self.service = service
        self.name = str(span.name)
        self.trace_id, self.id, self.parent = (
            each.hex() for each in (span.trace_id, span.span_id, span.parent_span_id)
        )
        self.attributes = _values(span.attributes)
        self.events = [(event.name, _values(event.attributes)) for event in span.events]
        self.links = [link.span_id.hex() for link in span.links]
        self.failed = span.status.code == 2


class Collector:
    """Listens on a free port; answers while it is open."""

    def __init__(self) -> None:
        self.traces: list[ExportTraceServiceRequest] = []
        self.metrics: list[ExportMetricsServiceRequest] = []
        collector = self

        class Collecting(Handler):
            def post(self) -> None:
                if self.path == "/v1/traces":
                    collector.traces.append(ExportTraceServiceRequest.FromString(self.body()))
                else:
                    collector.metrics.append(ExportMetricsServiceRequest.FromString(self.body()))
                self.reply(b"")

        self._server = HttpServer(Collecting)

    @property
    def settings(self) -> dict[str, str]:
        """The settings of a process that sends to it, at short intervals."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self._server.address,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }

    @property
    def spans(self) -> list[Span]:
        return [
            Span(span, _values(resource.resource.attributes)["service.name"])
            for request in list(self.traces)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def wait_for_spans(self, trace_id: str, count: int, seconds: float = 20) -> list[Span]:
        """The spans of one trace, by name."""

        def found() -> list[Span]:
            return [span for span in self.spans if span.trace_id == trace_id]

        wait_until(lambda: len(found()) >= count, seconds, lambda: f"{[span.name for span in found()]}")
        return sorted(found(), key=lambda span: span.name)

    def metric_names(self) -> Iterator[str]:
        for request in self.metrics:
            for resource in request.resource_metrics:
                for scope in resource.scope_metrics:
                    yield from (metric.name for metric in scope.metrics)

    def instances(self) -> set[str]:
        """The instances whose metrics came."""
        resources = [each.resource for request in self.metrics for each in request.resource_metrics]
        return {_values(resource.attributes)["service.instance.id"] for resource in resources}

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, trace)


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
