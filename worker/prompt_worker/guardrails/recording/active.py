"""The active guardrails: read from the database, compiled once for each edit, a broken one left out and reported."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import psycopg2
from psycopg2.extensions import cursor

from prompt_worker.guardrails import registry
from prompt_worker.guardrails.detectors.config import GuardrailConfigError
from prompt_worker.guardrails.guardrail import Guardrail
from prompt_worker.guardrails.registry import Evaluator
from prompt_worker.platform import telemetry
from prompt_worker.platform.postgres.errors import may_pass
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.platform.postgres.transactions import Transactions
from prompt_worker.platform.process import health

log = logging.getLogger(__name__)

_ACTIVE = statement(__name__, "active_guardrails")


def find_active(cursor: cursor) -> list[Guardrail]:
    """The active rows of `prompt_guardrails`."""
    cursor.execute(_ACTIVE)
    return [
        Guardrail(
            id=UUID(guardrail_id),
            name=name,
            type=guardrail_type,
            severity=severity,
            action=action,
            config=config,
            applies_to_templates=tuple(templates),
            applies_to_categories=tuple(categories),
        )
        for guardrail_id, name, guardrail_type, severity, action, config, templates, categories in cursor
    ]


def compile_or_explain(guardrail: Guardrail) -> Evaluator | str:
    """The evaluator, or why there is none: a broken guardrail does not stop the others."""
    try:
        return registry.compile_guardrail(guardrail)
    except GuardrailConfigError as error:
        return str(error)
    # Whatever an owner's config causes, only this guardrail is left out.
    except Exception as error:
        return f"guardrail '{guardrail.name}': {type(error).__name__}"


@dataclass(frozen=True)
class _Compiled:
    guardrail: Guardrail
    usable: Evaluator | str


class ActiveGuardrails:
    """Reads them again when asked and `refresh_seconds` have passed; `changed` is called after each reading."""

    def __init__(
        self,
        transactions: Transactions,
        *,
        refresh_seconds: float,
        changed: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transactions = transactions
        self._refresh_seconds = refresh_seconds
        self._changed = changed
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at: float | None = None
        self._compiled: dict[UUID | None, _Compiled] = {}
        self._evaluators: Sequence[Evaluator] = ()

    def evaluators(self) -> Sequence[Evaluator]:
        """Those that can be used now. Waits for the database the first time; later it continues with what it has.

        Raises `DeploymentError`, or `psycopg2.Error` once retrying was stopped.
        """
        with health.taking_turns(self._lock):
            if self._read_at is None:
                self._compile_all(self._transactions.run(find_active))
            elif self._clock() - self._read_at >= self._refresh_seconds:
                try:
                    self._compile_all(self._transactions.once(find_active))
                except psycopg2.Error as error:
                    if not may_pass(error):
                        raise
            return self._evaluators

    def _compile_all(self, guardrails: Sequence[Guardrail]) -> None:
        compiled = {guardrail.id: self._compile(guardrail) for guardrail in guardrails}
        for one in compiled.values():
            if isinstance(one.usable, str):
                telemetry.count("unusable_guardrails", guardrail=one.guardrail.name)
        self._evaluators = [one.usable for one in compiled.values() if not isinstance(one.usable, str)]
        self._compiled = compiled
        self._read_at = self._clock()
        self._changed()

    def _compile(self, guardrail: Guardrail) -> _Compiled:
        before = self._compiled.get(guardrail.id)
        if before is not None and before.guardrail == guardrail:
            return before
        same_rules = before is not None and before.guardrail.config_hash == guardrail.config_hash
        if before is not None and same_rules and isinstance(before.usable, Evaluator):
            return _Compiled(guardrail, replace(before.usable, guardrail=guardrail))
        usable = compile_or_explain(guardrail)
        if isinstance(usable, str):
            log.error("not applied: %s. Fix it in prompt_guardrails; the others are applied", usable)
        else:
            log.info("guardrail '%s' is applied, config %s", guardrail.name, guardrail.config_hash[:8])
        return _Compiled(guardrail, usable)
