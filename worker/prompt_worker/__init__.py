"""Records every execution of an LLM prompt: what a service imports to publish, and the workers behind it."""

from typing import TYPE_CHECKING, Any

from prompt_worker.event.execution import ExecutionEvent
from prompt_worker.publishing.publisher import Publisher

if TYPE_CHECKING:
    from prompt_worker.prompts.serving.service import PromptTemplateService

__all__ = ["ExecutionEvent", "PromptTemplateService", "Publisher"]


def __getattr__(name: str) -> Any:
    # Late: whoever only publishes needs no template engine.
    if name != "PromptTemplateService":
        raise AttributeError(f"module {__name__} has no attribute {name}")
    try:
        from prompt_worker.prompts.serving.service import PromptTemplateService
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("jinja2", "markupsafe"):
            raise
        message = f"{missing} is not installed: pip install 'prompt-worker[prompts]'"
        raise ModuleNotFoundError(message, name=error.name) from None
    return PromptTemplateService
