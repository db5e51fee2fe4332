"""Metrics and traces for their collectors: a page for Prometheus, and OTLP over HTTP. Needs the extra `telemetry`."""

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
from prompt_worker.platform.process.pages import Listener, Page, Pages
from prompt_worker.platform.settings.environment import Port
from prompt_worker.platform.telemetry.metrics import name_worker

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.trace import SpanProcessor

# For the last metrics and spans, of the 8 in which a worker ends.
FLUSH_SECONDS = 0.4


class TelemetrySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where metrics and traces go: nowhere unless set. OpenTelemetry's own `OTEL_*` settings apply too."""

    metrics_port: Annotated[
        Port | None,
        Meta(description="answer Prometheus at `/metrics` on this port; it may be the probes' own"),
    ] = field(name="PROMPT_WORKER_METRICS_PORT", default=None)
    otlp_endpoint: Annotated[
        str | None,
        Meta(description="send metrics and traces to this collector, such as `http://localhost:4318`"),
    ] = field(name="OTEL_EXPORTER_OTLP_ENDPOINT", default=None)
    otlp_protocol: Annotated[
        Literal["http/protobuf"], Meta(description="the protocol to the collector; no other is supported")
    ] = field(name="OTEL_EXPORTER_OTLP_PROTOCOL", default="http/protobuf")
    metrics_exporter: Annotated[
        Literal["otlp", "none"], Meta(description="`none` sends the collector traces alone")
    ] = field(name="OTEL_METRICS_EXPORTER", default="otlp")
    traces_exporter: Annotated[
        Literal["otlp", "none"], Meta(description="`none` sends the collector metrics alone")
    ] = field(name="OTEL_TRACES_EXPORTER", default="otlp")
    service_name: Annotated[
        str | None,
        Meta(
            extra={"default": "`prompt-worker-` and the worker's name"},
            description="the service that metrics and traces are of",
        ),
    ] = field(name="OTEL_SERVICE_NAME", default=None)
    disabled: Annotated[bool, Meta(description="`true` exports nothing, whatever else is set")] = field(
        name="OTEL_SDK_DISABLED", default=False
    )


@contextmanager
def exporting(settings: TelemetrySettings, worker: str) -> Iterator[Pages]:
    """While it lasts; then the last metrics and spans are sent. Yields the page `/metrics` where it has a port.

    Every metric gets the label `worker`. Raises `SettingsError` when the extra `telemetry` is missing.
    """
    name_worker(worker)
    metrics: Pages = {}
    ends: list[Callable[[], object]] = []
    if not settings.disabled and (settings.metrics_port or settings.otlp_endpoint):
        try:
            ends = _start(settings, worker)
        except ModuleNotFoundError as error:
            raise SettingsError(
                f"PROMPT_WORKER_METRICS_PORT and OTEL_EXPORTER_OTLP_ENDPOINT need {error.name}: "
                "pip install 'prompt-worker[telemetry]'"
            ) from None
        if settings.metrics_port:
            metrics = {"/metrics": _metrics_page}
    try:
        yield metrics
    finally:
        _end(ends)


def metrics_listener(settings: TelemetrySettings, metrics: Pages) -> Listener:
    """Where `metrics` are answered; `SettingsError` if that port is taken."""
    return Listener("PROMPT_WORKER_METRICS_PORT", settings.metrics_port, metrics, SettingsError)


def _start(settings: TelemetrySettings, worker: str) -> list[Callable[[], object]]:
    from opentelemetry import metrics, trace
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    identity = {
        "service.name": settings.service_name or f"prompt-worker-{worker}",
        "service.namespace": "prompt-worker",
        # Otherwise the instances of a pool would write the same series.
        "service.instance.id": str(uuid4()),
    }
    resource = Resource.create(identity)
    readers: list[MetricReader] = []
    ends: list[Callable[[], object]] = []
    if settings.metrics_port:
        readers.append(_prometheus())
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


def _prometheus() -> MetricReader:
    from opentelemetry.exporter.prometheus import PrometheusMetricReader

    return PrometheusMetricReader()


def _metrics_page() -> Page:
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    return Page(200, generate_latest(), CONTENT_TYPE_LATEST)


def _otlp_metrics() -> MetricReader:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    return PeriodicExportingMetricReader(OTLPMetricExporter())


def _otlp_spans() -> SpanProcessor:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    return BatchSpanProcessor(OTLPSpanExporter())


def _end(ends: Sequence[Callable[[], object]]) -> None:
    """All at once, and no longer than `FLUSH_SECONDS`: a collector that is down delays no worker."""
    threads = [threading.Thread(target=end, daemon=True) for end in ends]
    deadline = time.monotonic() + FLUSH_SECONDS
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
