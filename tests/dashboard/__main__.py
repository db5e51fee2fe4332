"""`python -m tests.dashboard`: the dashboard's queries, asked of a real Prometheus and PostgreSQL.

Fails where one is refused, or answers nothing although something happened. `--picture FILE` draws the answers in the
panels' places, under their titles: not by Grafana, which no package registry has. Debian's packages prometheus,
chromium and pngquant bring what this needs.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

from prompt_worker import Publisher
from prompt_worker.event.moment import now
from prompt_worker.local.demo.broken import Raw
from prompt_worker.local.demo.events import Plan, messages
from prompt_worker.local.demo.services import Services
from prompt_worker.local.servers.server import free_port
from prompt_worker.platform.process.pages import serving
from prompt_worker.platform.telemetry.export import TelemetrySettings, exporting, metrics_listener
from tests.benchmarks.services import Database, session, start
from tests.dashboard.asking import Asking, offline
from tests.dashboard.page import Answer, draw, screenshot
from tests.dashboard.prometheus import Prometheus, check_alerts, check_query, started
from tests.dashboard.queries import Panel, Query, panels
from tests.support.guardrails import Guarding
from tests.support.pipeline import Pipeline

# Events of the last days, written before anybody looks.
HISTORY = 4_000
SECONDS = 100.0  # that the picture shows
DROP_CONNECTIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'prompt-worker%%'"
)
# Failures that do not happen here.
QUIET = ("pull_errors", "settle_errors", "alert_errors")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.dashboard", description=__doc__)
    parser.add_argument("--picture", type=Path, metavar="FILE", help="a PNG of the answers")
    options = parser.parse_args()
    print(check_alerts().strip())
    with start() as services:
        database = services.new_database("dashboard").migrate()
        with running(database) as (prometheus, pipeline, asking):
            began = time.time()
            drive(pipeline, asking, SECONDS)
            answers = [
                (panel, ask(panel, prometheus, database, began))
                for panel in panels(rate_interval="10s", last="7 days")
            ]
    if options.picture:
        screenshot(draw(answers), options.picture)
    asked = [(query.text, answer) for _, answers_ in answers for query, answer in answers_]
    empty = [text for text, answer in asked if not answer.rows and not any(quiet in text for quiet in QUIET)]
    print(f"{len(asked)} queries asked, {len(empty)} without an answer", *empty, sep="\n  ")
    sys.exit(1 if empty else 0)


@contextmanager
def running(database: Database) -> Iterator[tuple[Prometheus, Pipeline, Asking]]:
    """What runs, with days behind it, and a Prometheus that has just begun to scrape it and a publisher."""
    ports = {
        job: free_port() for job in ("executions", "guardrails", "dead-letters", "registry", "publisher")
    }
    with ExitStack() as stack:
        pipeline = Pipeline("dashboard", database.url)
        stack.callback(pipeline.close)
        os.environ["PUBSUB_PROJECT_ID"] = pipeline.topology.project
        experiment(database)
        guarding = Guarding(pipeline)
        guarding.add_guardrail("unusable", guardrail_type="content_policy", config={"patterns": ["("]})
        publish(pipeline, offline(), HISTORY, age=timedelta(days=5), rate=2_000)
        for consumer, port in list(ports.items())[:3]:
            settings = {"PROMPT_WORKER_METRICS_PORT": str(port), "PROMPT_WORKER_HMAC_KEY": "k" * 32}
            stack.enter_context(pipeline.command("run", consumer, **settings))
        pipeline.wait_for_evaluations(int(HISTORY * 0.95), 120)
        telemetry = TelemetrySettings(metrics_port=ports["publisher"])
        pages = stack.enter_context(exporting(telemetry, "publisher"))
        stack.enter_context(serving(metrics_listener(telemetry, pages)))
        asking = stack.enter_context(Asking.beside(pipeline, ports["registry"]))
        with started(ports) as prometheus:
            yield prometheus, pipeline, asking


def drive(pipeline: Pipeline, asking: Asking, seconds: float) -> None:
    """A day of a school in little: waves, and once a database that drops its connections."""
    ends = time.monotonic() + seconds
    wave = 0
    while time.monotonic() < ends:
        wave += 1
        if wave == 8:
            pipeline.query(DROP_CONNECTIONS)
        asking.wave(wave)
        rate = 150 + 60 * (wave % 4)
        publish(pipeline, asking.services, 300 + 200 * (wave % 5), age=timedelta(), rate=rate)


def publish(pipeline: Pipeline, services: Services, number: int, *, age: timedelta, rate: float) -> None:
    """`number` messages of the demonstration, `rate` a second, executed up to `age` ago."""
    with Publisher(source="demo") as publisher:
        for position, message in enumerate(messages(Plan(number), services, seed=number)):
            if isinstance(message, Raw):
                pipeline.publish([message.body], **message.attributes)
            else:
                message.executed_at = now() - age * ((position * 7919 % number) / number)
                publisher.publish(message)
            time.sleep(1 / rate)


def ask(panel: Panel, prometheus: Prometheus, database: Database, began: float) -> list[tuple[Query, Answer]]:
    """Each query of a panel with what came; those in PromQL were asked by promtool, too."""
    answers = []
    for query in panel.queries:
        if query.language == "sql":
            with session(database.url) as opened, opened.cursor() as cursor:
                cursor.execute("SET ROLE prompt_reader")
                cursor.execute(query.text)
                columns = [column.name for column in cursor.description or ()]
                answers.append((query, Answer(columns, cursor.fetchall())))
            continue
        check_query(prometheus, query.text)
        answers.append((query, Answer([], prometheus.over(query.text, began, time.time(), step=1.0))))
    return answers


def experiment(database: Database) -> None:
    """One that is under way."""
    database.execute(
        "INSERT INTO ab_test_experiments (name, template_name, status, control_template_id, variant_template_ids, "
        "traffic_allocation, primary_metric, actual_start_date, scheduled_end_date) "
        "SELECT 'shorter topics', name, 'active', id, '{}', '{\"control\": 50, \"variant_a\": 50}', 'success_rate', "
        "now() - interval '2 days', now() + interval '12 days' "
        "FROM prompt_templates WHERE name = 'nlu_topic_extraction'"
    )


if __name__ == "__main__":
    main()
