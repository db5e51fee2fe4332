"""Records every execution of an LLM prompt: what a service imports to publish, and the workers behind it."""

from prompt_worker.event.execution import ExecutionEvent
from prompt_worker.publishing.publisher import Publisher

__all__ = ["ExecutionEvent", "Publisher"]
