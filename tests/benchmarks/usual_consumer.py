"""The consumer most teams write: a callback that inserts and commits one message, then acknowledges it.

`python -m tests.benchmarks.usual_consumer` is that consumer; `drain` and `row` compare the worker with it, each on a
backlog and a database of its own.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import psycopg2
from google.cloud.pubsub_v1 import SubscriberClient
from google.cloud.pubsub_v1.subscriber.message import Message
from psycopg2.extensions import connection
from psycopg2.extras import Json

from tests.benchmarks.broker import Backlog
from tests.benchmarks.draining import Drain, watch
from tests.benchmarks.events import bodies
from tests.benchmarks.services import Database, Services
from tests.benchmarks.table import Row, times
from tests.benchmarks.worker_process import ChildProcess

GOAL = 25
TRIGGERS = Path(__file__).with_name("usual_triggers.sql")
INSERT = """
    INSERT INTO prompt_executions (
        id, template_id, template_name, template_version, user_id, session_id, request_id, input_variables,
        rendered_prompt, model_response, execution_time_ms, token_count, cost_usd, status, error_type,
        error_message, guardrail_violations, guardrail_action, executed_at, environment, model, provider,
        input_tokens, output_tokens
    ) VALUES (
        %(event_id)s, %(template_id)s, %(template_name)s, %(template_version)s, %(user_id)s, %(session_id)s,
        %(request_id)s, %(input_variables)s, %(rendered_prompt)s, %(model_response)s, %(execution_time_ms)s,
        %(token_count)s, %(cost_usd)s, %(status)s, %(error_type)s, %(error_message)s, %(guardrail_violations)s,
        %(guardrail_action)s, %(executed_at)s, %(environment)s, %(model)s, %(provider)s, %(input_tokens)s,
        %(output_tokens)s
    ) ON CONFLICT (id) DO NOTHING
"""
OPTIONAL = ("model_response", "error_type", "error_message", "guardrail_action", "output_tokens")

_own = threading.local()


def drain(services: Services, database: Database, events: int) -> Drain:
    """`database` becomes one with a trigger for each row."""
    database.execute(TRIGGERS.read_text())
    backlog = Backlog(services.emulator.host)
    backlog.publish(bodies(events, database.templates()))
    environment = {"DATABASE_URL": database.url, "SUBSCRIPTION": backlog.subscription}
    child = ChildProcess(["tests.benchmarks.usual_consumer"], environment)
    drained = watch(services, database, backlog, [child], exact_statistics=False)
    child.forget()
    backlog.delete()
    return drained


def row(worker_rate: float, broker_rate: float, usual: Drain) -> Row:
    """The worker drained as many events."""
    ratio, most = worker_rate / usual.rate, broker_rate / usual.rate
    return Row(
        f"against the usual consumer (callback, a commit a message, row triggers), {usual.events:,} events each",
        f"{times(ratio)} ({usual.rate:,.0f} events/s); a consumer that does nothing: {times(most)}",
        f"≥ {times(GOAL, 0)}",
        ratio >= GOAL,
        {"ratio": ratio, "rate": usual.rate, "most": most},
    )


def main() -> None:
    """Until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with SubscriberClient() as subscriber:
        pulling = subscriber.subscribe(os.environ["SUBSCRIPTION"], callback=handle)
        stop.wait()
        pulling.cancel()
        pulling.result()


def handle(message: Message) -> None:
    event = json.loads(message.data)
    values = dict.fromkeys(OPTIONAL) | event
    values["token_count"] = event.get("input_tokens", 0) + event.get("output_tokens", 0)
    values["input_variables"] = Json(event["input_variables"])
    values["guardrail_violations"] = Json(event.get("guardrail_violations", []))
    database = own_connection()
    with database, database.cursor() as cursor:
        cursor.execute(INSERT, values)
    message.ack()


def own_connection() -> connection:
    """One for each of the callback's threads."""
    if not hasattr(_own, "connection"):
        _own.connection = psycopg2.connect(os.environ["DATABASE_URL"])
    made: connection = _own.connection
    return made


if __name__ == "__main__":
    main()
