"""The service of a live database of phase 1: it inserts, whatever happens to the schema meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from time import monotonic

import psycopg2
from psycopg2.extensions import connection

PAUSE_BETWEEN_INSERTS = 0.002
# As phase 1's service does it: one row, its columns as they were, of a template in an experiment or of another one.
_INSERT = """
    INSERT INTO prompt_executions (template_id, template_name, template_version, ab_test_group, input_variables,
        rendered_prompt, execution_time_ms, token_count, cost_usd, status)
    SELECT id, name, version, CASE WHEN name = 'educational_script_generation' THEN coalesce(ab_test_group, 'control')
           END, '{}', 'while it is taken over', 100, 50, 0.001, 'success'
    FROM prompt_templates WHERE name IN ('educational_script_generation', 'nlu_topic_extraction')
    ORDER BY id OFFSET %s LIMIT 1
"""


@dataclass
class Service:
    """Inserts one row after the other until it is stopped; each wait as (seconds, when it began, when it ended).

    `templates` is how many the insert may choose from: 4 of phase 1's live database, 2 of a new one.
    """

    url: str
    templates: int = 4
    waits: list[tuple[float, float, float]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @contextmanager
    def inserting(self) -> Iterator[Service]:
        stop = threading.Event()
        with closing(psycopg2.connect(self.url)) as opened:
            opened.autocommit = True
            thread = threading.Thread(target=self._insert, args=(opened, stop))
            thread.start()
            try:
                yield self
            finally:
                stop.set()
                thread.join()

    def _insert(self, opened: connection, stop: threading.Event) -> None:
        with opened.cursor() as cursor:
            while not stop.wait(PAUSE_BETWEEN_INSERTS):
                began = monotonic()
                try:
                    cursor.execute(_INSERT, (len(self.waits) % self.templates,))
                except psycopg2.Error as error:
                    self.refused.append(str(error).partition("\n")[0])
                    continue
                ended = monotonic()
                self.waits.append((ended - began, began, ended))
