"""What operators see: metrics, traces and logs. Without an exporter every call here costs next to nothing.

This needs only OpenTelemetry's API, which comes with the Pub/Sub client library; `export` needs the extra `telemetry`.
"""

from prompt_worker.platform.telemetry.logs import configure_logs
from prompt_worker.platform.telemetry.metrics import count, record, watch

__all__ = ["configure_logs", "count", "record", "watch"]
