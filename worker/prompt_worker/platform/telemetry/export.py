"""Metrics and traces to who collects them: a Prometheus endpoint, and OTLP over HTTP. Needs the extra `telemetry`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import uuid4

import msgspec
from msgspec import Meta, field

from prompt_worker.platform.failures import SettingsError
from prompt_worker.platform.telemetry.metrics import name_worker

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.trace import SpanProcessor

FLUSH_SECONDS = 0.4  # for the last metrics and spans, of the 8 in which a worker ends


class TelemetrySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where metrics and traces go: nowhere unless set. OpenTelemetry's own OTEL_* settings hold besides."""

    metrics_port: Annotated[int, Meta(ge=1, le=65_535)] | None = field(
        name="PROMPT_WORKER_METRICS_PORT", default=None
    )
    otlp_endpoint: str | None = field(name="OTEL_EXPORTER_OTLP_ENDPOINT", default=None)
    otlp_protocol: Literal["http/protobuf"] = field(
        name="OTEL_EXPORTER_OTLP_PROTOCOL", default="http/protobuf"
    )
    metrics_exporter: Literal["otlp", "none"] = field(name="OTEL_METRICS_EXPORTER", default="otlp")
    traces_exporter: Literal["otlp", "none"] = field(name="OTEL_TRACES_EXPORTER", default="otlp")
    service_name: str | None = field(name="OTEL_SERVICE_NAME", default=None)
    disabled: bool = field(name="OTEL_SDK_DISABLED", default=False)


@contextmanager
def exporting(settings: TelemetrySettings, worker: str) -> Iterator[None]:
    """While it lasts; then what is left goes out. Raises `SettingsError`: a port that is taken, the extra missing."""
    name_worker(worker)
    ends: list[Callable[[], object]] = []
    if not settings.disabled and (settings.metrics_port or settings.otlp_endpoint):
        try:
            ends = _start(settings, worker)
        except ModuleNotFoundError as error:
            raise SettingsError(
                f"PROMPT_WORKER_METRICS_PORT and OTEL_EXPORTER_OTLP_ENDPOINT need {error.name}: "
                "pip install 'prompt-worker[telemetry]'"
            ) from None
    try:
        yield
    finally:
        _end(ends)


def _start(settings: TelemetrySettings, worker: str) -> list[Callable[[], object]]:
    from opentelemetry import metrics, trace
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    identity = {
        "service.name": settings.service_name or f"prompt-worker-{worker}",
        "service.namespace": "prompt-worker",
        "service.instance.id": str(uuid4()),  # else the instances of a pool would write the same series
    }
    resource = Resource.create(identity)
    readers: list[MetricReader] = []
    ends: list[Callable[[], object]] = []
    if settings.metrics_port:
        readers.append(_prometheus(settings.metrics_port))
    if settings.otlp_endpoint and settings.metrics_exporter == "otlp":
        readers.append(_otlp_metrics())
    if readers:
        meters = MeterProvider(readers, resource, shutdown_on_exit=False)
        metrics.set_meter_provider(meters)
        ends.append(meters.shutdown)
    if settings.otlp_endpoint and settings.traces_exporter == "otlp":
        tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
        tracers.add_span_processor(_otlp_spans())
        trace.set_tracer_provider(tracers)
        ends.append(tracers.shutdown)
    return ends


def _prometheus(port: int) -> MetricReader:
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from prometheus_client import start_http_server

    try:
        start_http_server(port)
    except OSError as error:
        raise SettingsError(
            f"PROMPT_WORKER_METRICS_PORT: port {port} cannot be had: {error.strerror}. Choose another one"
        ) from None
    return PrometheusMetricReader()


def _otlp_metrics() -> MetricReader:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    return PeriodicExportingMetricReader(OTLPMetricExporter())


def _otlp_spans() -> SpanProcessor:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    return BatchSpanProcessor(OTLPSpanExporter())


def _end(ends: Sequence[Callable[[], object]]) -> None:
    """All at once, and no longer than `FLUSH_SECONDS`: a collector that is away holds no worker up."""
    threads = [threading.Thread(target=end, daemon=True) for end in ends]
    deadline = time.monotonic() + FLUSH_SECONDS
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
