"""What the active guardrails find in the texts that were sent, and in those that would be. They never refuse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.prompts.authoring.releases.gate.gate import Noticed, Texts
from prompt_worker.prompts.version import Stored

if TYPE_CHECKING:
    from prompt_worker.guardrails.registry import Evaluator

_MISSING = "the guardrails are not installed: pip install 'prompt-worker[guardrails]'"


class Guards(msgspec.Struct, frozen=True):
    """Those that can be used; `unchecked` says why there are none to ask."""

    evaluators: list[Evaluator]
    unchecked: str | None = None

    def notice(
        self, version: Stored, category: str | None, texts: Sequence[Texts]
    ) -> tuple[list[Noticed], str | None]:
        """By guardrail, those that find something; and why nothing was asked."""
        if self.unchecked is not None or not texts:
            return [], self.unchecked
        before = self._found(version, category, [each.before for each in texts])
        after = self._found(version, category, [each.after for each in texts])
        keys = dict.fromkeys([*after, *before])
        return [
            Noticed(name, action, before[name, action], after[name, action]) for name, action in keys
        ], None

    def _found(self, version: Stored, category: str | None, prompts: list[str]) -> Counter[tuple[str, str]]:
        """In how many of the texts each guardrail finds something."""
        from prompt_worker.guardrails.evaluation import evaluate
        from prompt_worker.guardrails.fields import Execution

        executions = [
            Execution(
                prompt=prompt,
                template_text=version.content.template_text,
                template_name=version.name,
                category=category,
            )
            for prompt in prompts
        ]
        found: Counter[tuple[str, str]] = Counter()
        for evaluation in evaluate(self.evaluators, executions):
            found.update({(finding.guardrail_name, finding.action) for finding in evaluation.findings})
        return found


def find_guards(cursor: cursor) -> Guards:
    """The active ones that can be used. Without the extra `guardrails` there are none."""
    try:
        from prompt_worker.guardrails.recording.active import compile_or_explain, find_active
    except ModuleNotFoundError:
        return Guards([], _MISSING)
    usable = [compile_or_explain(guardrail) for guardrail in find_active(cursor)]
    return Guards([each for each in usable if not isinstance(each, str)])
