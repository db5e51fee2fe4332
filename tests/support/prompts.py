"""Folders of prompts for tests, and one text as a service would render it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from prompt_worker import ExecutionEvent, PromptTemplateService
from prompt_worker.prompts.content import Content, Variables
from prompt_worker.prompts.folder.checking import check
from prompt_worker.prompts.snapshot.snapshot import Snapshot
from prompt_worker.prompts.version import Stored
from prompt_worker.publishing.publisher import Publisher

# Each costs processor time or memory without end where nothing bounds it; none depends on its variables.
EXPENSIVE = {
    "nested ranges": "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
    "a long range": "{{ range(999999999) | join }}",
    "a repeated text": "{{ 'a' * 999999999 }}",
    "a repeated list": "{{ ([1] * 999999999) | length }}",
    "a power": "{{ 9 ** 9 ** 9 }}",
    "a doubled text": "{% set s = 'aaaaaaaaaa' %}" + "{% set s = s ~ s %}" * 60,
    "a doubled text by +": "{% set s = 'aaaaaaaaaa' %}" + "{% set s = s + s %}" * 60,
    "a list of itself as JSON": "{% set s = [1, 2] %}" + "{% set s = [s, s] %}" * 60 + "{{ s | tojson }}",
    "two lists compared": "{% set s = [1] %}{% set t = [1] %}"
    + "{% set s = [s, s] %}{% set t = [t, t] %}" * 60
    + "{{ s == t }}",
    "a replacement": "{% set s = 'a' * 2000 %}" + "{% set s = s | replace('a', s) %}" * 9,
    "a search in a long text": "{% set s = 'a' * 3000000 %}"
    "{% for i in range(9999) %}{{ 'b' in s }}{% endfor %}",
    "slices of a long text": "{% set s = 'a' * 3000000 %}"
    "{% for i in range(9999) %}{% set t = s[1:] %}{% endfor %}",
    "indented JSON": "{% set s = [1] * 9000 %}" + "{% set s = [s] %}" * 30 + "{{ s | tojson(8) }}" * 9,
    "a method of a long text": "{% set s = 'a' * 3000000 %}"
    "{% for i in range(9999) %}{% set t = s.upper() %}{% endfor %}",
    "tests of a long list": "{% set s = range(9999) %}{{ s | select('in', s) | list | length }}",
}


def write_prompts(folder: Path, prompts: Mapping[str, str]) -> Path:
    """The files, as they are named and written, and a lock for them."""
    for name, text in prompts.items():
        path = folder / f"{name}.prompt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    checked = check(folder, update=True)
    assert checked.faults == []
    return folder


def offline(folder: Path, prompts: Mapping[str, str]) -> PromptTemplateService:
    return PromptTemplateService.offline(write_prompts(folder, prompts))


def stored(name: str, text: str, version: int = 1, **fields: Any) -> Stored:
    content = {key: fields.pop(key) for key in tuple(fields) if key in Content.__struct_fields__}
    made = Content(template_text=text, **content)
    return Stored(name=name, version=version, content=made, sha256=made.sha256, **fields)


def rendered(text: str, variables: Mapping[str, Any] | None = None, declared: Variables | None = None) -> str:
    """The text of a template; raises what compiling or rendering raises."""
    snapshot = Snapshot.build([stored("a/prompt", text, variables=declared or [])])
    assert not snapshot.quarantined, snapshot.quarantined
    return snapshot.active("a/prompt").render(variables or {}).text


class RecordingPublisher(Publisher):
    """Keeps what it is given, as it was at that moment."""

    def __init__(self) -> None:
        super().__init__("test-project", source="test")
        self.events: list[ExecutionEvent] = []

    def publish(self, event: ExecutionEvent) -> Future[str]:
        self.events.append(event)
        return Future()
