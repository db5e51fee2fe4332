"""Where a publisher publishes, and as whom: from its arguments and the environment, all problems at once."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from prompt_worker.platform.failures import SettingsError
from prompt_worker.platform.pubsub.limits import ATTRIBUTE_VALUE_BYTES
from prompt_worker.platform.settings import PublisherSettings, read


class Target(NamedTuple):
    """`spool` is the folder of this topic alone, made and writable."""

    project: str
    topic: str
    source: str
    spool: Path | None


EXECUTIONS_TOPIC, FEEDBACK_TOPIC = "PROMPT_EXECUTIONS_TOPIC", "PROMPT_FEEDBACK_TOPIC"


def read_targets(
    project: str | None,
    topic: str | None,
    feedback_topic: str | None,
    source: str | None,
    spool: str | os.PathLike[str] | None,
) -> tuple[Target, Target]:
    """Of executions and of feedback. Raises `SettingsError`."""
    targets: list[Target] = []
    problems: dict[str, None] = {}
    for name, setting in ((topic, EXECUTIONS_TOPIC), (feedback_topic, FEEDBACK_TOPIC)):
        try:
            targets.append(read_target(project, name, source, spool, setting))
        except SettingsError as error:
            problems |= dict.fromkeys(str(error).splitlines())
    if len({target.topic for target in targets}) == 1 and not problems:
        problems[f"{FEEDBACK_TOPIC}: the same topic as {EXECUTIONS_TOPIC}; feedback has its own"] = None
    if problems:
        raise SettingsError("\n".join(problems))
    return targets[0], targets[1]


def read_target(
    project: str | None,
    topic: str | None,
    source: str | None,
    spool: str | os.PathLike[str] | None,
    setting: str = EXECUTIONS_TOPIC,
) -> Target:
    """What is None comes from the environment, the topic from `setting`. Raises `SettingsError`."""
    given = read(PublisherSettings)
    project = project or given.project
    topic = topic or (given.topic if setting == EXECUTIONS_TOPIC else given.feedback_topic)
    source = source or given.source
    spool = spool or given.spool

    problems = []
    if not project:
        problems.append("PUBSUB_PROJECT_ID or GOOGLE_CLOUD_PROJECT: not set")
    elif not _is_name(project):
        problems.append(f"PUBSUB_PROJECT_ID: {project!r} is not the name of a project")
    if not _is_name(topic):
        problems.append(f"{setting}: {topic!r} is not the name of a topic")
    if wrong := _why_no_source(source):
        problems.append(f"PROMPT_WORKER_SERVICE or OTEL_SERVICE_NAME: {wrong}")
    folder = Path(spool, project, topic) if spool and not problems else None
    if folder is not None and (unusable := _unusable(folder)):
        problems.append(f"PROMPT_WORKER_SPOOL: cannot use the folder {folder}: {unusable}")
    if problems:
        raise SettingsError("\n".join(problems))
    return Target(project, topic, source, folder)


def _why_no_source(source: str) -> str | None:
    try:
        size = len(source.encode())
    # As Python reads a variable that is in another encoding.
    except UnicodeEncodeError:
        return "not UTF-8"
    return f"more than {ATTRIBUTE_VALUE_BYTES} bytes" if size > ATTRIBUTE_VALUE_BYTES else None


def _is_name(name: str) -> bool:
    # Any other would have each event refused, one by one; and it names a folder of the spool.
    return re.fullmatch(r"[A-Za-z][\w.~+%:-]{2,254}", name, re.ASCII) is not None


def _unusable(folder: Path) -> str | None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        return error.strerror
    return None if os.access(folder, os.W_OK | os.X_OK) else "no permission to write there"
