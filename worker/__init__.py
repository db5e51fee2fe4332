"""Records every execution of an LLM prompt: what a service imports to publish, and the workers behind it."""

from worker.event import ExecutionEvent
from worker.publisher import Publisher

__all__ = ["ExecutionEvent", "Publisher"]
