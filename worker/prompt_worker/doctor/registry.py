"""Checks of the registry: what services are served, whether each prompt compiles, and how many processes follow it."""

from __future__ import annotations

from collections.abc import Iterator

from psycopg2.extensions import cursor

from prompt_schema.verify import Check
from prompt_worker.platform.failures import Failure
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement

# Above so many, the registry's endpoint should answer them instead of the database.
MOST_PROCESSES = 100

_FOLLOWED = statement(__name__, "followed")


def examine_registry(session: Session, url: str) -> Iterator[Check]:
    """`url` is the database's."""
    try:
        from prompt_worker.prompts.registry.experiment import read_experiments
        from prompt_worker.prompts.registry.exporting import read_registry
        from prompt_worker.prompts.snapshot.incoming import versions
        from prompt_worker.prompts.snapshot.snapshot import Snapshot
    except ModuleNotFoundError as error:
        hint = f"{error.name} is not installed: pip install 'prompt-worker[prompts]'"
        yield Check("prompt registry", False, hint)
        return
    try:
        document = read_registry(url)
    except Failure as error:
        yield Check("prompt registry", False, str(error))
        return
    changed, processes = session.once(_followed)
    yield Check(
        f"prompt registry: epoch {document.epoch}, revision {document.revision}, changed {changed:,.0f} s ago",
        True,
        "",
    )
    experiments = read_experiments(document.experiments)
    snapshot = Snapshot.build(versions(document, experiments), names=document.names, experiments=experiments)
    for name, reason in sorted(snapshot.quarantined.items()):
        yield Check(f"prompt {name}", False, f"not served as it is stored: {reason}")
    served = len(document.names) - len(snapshot.quarantined.keys() & document.names.keys())
    yield Check(f"prompts: {served} of {len(document.names)} are served as they are stored", True, "")
    yield _check_number(processes)


def _check_number(processes: int) -> Check:
    return Check(
        f"prompt registry: {processes} processes follow it in the database",
        True,
        f"above {MOST_PROCESSES} run 'prompt-worker serve registry', and give them "
        "PROMPT_REGISTRY=https://HOST/v1/registry",
        warning=processes > MOST_PROCESSES,
    )


def _followed(cursor: cursor) -> tuple[float, int]:
    """Seconds since the last change, and processes that listen for the next one."""
    cursor.execute(_FOLLOWED)
    ((changed, processes),) = cursor.fetchall()
    return float(changed), int(processes)
