"""The doctor says whose rights it checked: those of the account and login it runs as, never another's."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from uuid import uuid4

import google.auth
import psycopg2
import pytest
from google.auth.credentials import AnonymousCredentials

from prompt_schema.verify import Check
from prompt_worker.commands.cli import main
from prompt_worker.doctor import broker
from prompt_worker.doctor.broker import examine_broker
from prompt_worker.doctor.database import examine_database
from prompt_worker.doctor.rights import Worker, needs_of_worker
from prompt_worker.platform.postgres.engine import connect
from tests.support.granting import Granted, asking_as
from tests.support.pipeline import Pipeline

WORKERS: tuple[Worker, ...] = ("executions", "guardrails", "feedback", "dead-letters")
ROLES = {
    "executions": "prompt_execution_worker",
    "guardrails": "prompt_guardrail_worker",
    "feedback": "prompt_feedback_worker",
    "dead-letters": "prompt_dead_letter_worker",
}
ACCOUNT = "somebody@p.iam.gserviceaccount.com"
Examine = Callable[..., list[Check]]


@pytest.fixture
def examine(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Examine:
    """The doctor's checks of Pub/Sub as they are outside the emulator, for an account that may do what is given."""
    host = os.environ["PUBSUB_EMULATOR_HOST"]
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST")
    monkeypatch.setenv("PUBSUB_PROJECT_ID", pipeline.topology.project)
    credentials = AnonymousCredentials()
    credentials.service_account_email = ACCOUNT
    monkeypatch.setattr(google.auth, "default", lambda **_: (credentials, None))

    def examine(granted: Granted, worker: Worker | None = None) -> list[Check]:
        with asking_as(host, granted) as (publisher, subscriber):
            monkeypatch.setattr(broker, "PublisherClient", lambda **_: publisher)
            monkeypatch.setattr(broker, "SubscriberClient", lambda **_: subscriber)
            return list(examine_broker(worker))

    return examine


def rights_of_operator(pipeline: Pipeline) -> dict[str, set[str]]:
    names, topology = pipeline.topology.names, pipeline.topology
    topics = [names.topic, names.feedback_topic, names.dead_letter_topic, names.violations_topic]
    subscriptions = [names.writer, names.guardrails, names.feedback, names.dead_letter_store]
    return {
        **{topology.topic_path(name): {"pubsub.topics.get"} for name in topics},
        **{
            topology.topic_path(name): {"pubsub.topics.get", "pubsub.topics.publish"}
            for name in (names.topic, names.feedback_topic)
        },
        **{
            topology.subscription_path(name): {"pubsub.subscriptions.get", "pubsub.subscriptions.consume"}
            for name in subscriptions
        },
    }


def test_operators_rights_are_not_taken_for_the_workers(pipeline: Pipeline, examine: Examine) -> None:
    checks = examine(rights_of_operator(pipeline))
    about_rights = [check for check in checks if " may " in check.name]
    assert len(about_rights) == 7
    (unseen,) = [check for check in about_rights if check.warning]
    assert unseen.name == "what the workers may do"
    assert f"not checked: Pub/Sub answers for this account ({ACCOUNT}) alone" in unseen.hint
    assert all(f"doctor {worker}'" in unseen.hint for worker in WORKERS)
    for check in about_rights:
        assert check.ok
        assert check is unseen or check.name.startswith(f"this account ({ACCOUNT}) may ")


def test_right_that_an_operator_lacks_names_the_command(pipeline: Pipeline, examine: Examine) -> None:
    granted = rights_of_operator(pipeline)
    topic = pipeline.topology.topic_path(pipeline.topology.names.topic)
    granted[topic] = {"pubsub.topics.get"}
    (failed,) = [check for check in examine(granted) if not check.ok and " may " in check.name]
    assert failed.name.endswith(f"may publish to {topic}")
    assert "roles/pubsub.publisher on it, for 'dead-letters replay'" in failed.hint


def test_topic_that_may_not_be_read_is_not_called_an_outage(examine: Examine) -> None:
    unread = [check for check in examine({}) if check.name.startswith(("topic", "subscription"))]
    assert len(unread) == 8
    for check in unread:
        assert not check.ok
        assert check.hint == f"this account ({ACCOUNT}) may not read it: grant roles/pubsub.viewer on it"


@pytest.mark.parametrize("worker", WORKERS)
def test_each_worker_needs_what_it_does_and_no_more(
    pipeline: Pipeline, examine: Examine, worker: Worker
) -> None:
    needs = needs_of_worker(worker, pipeline.topology)
    granted = {need.path: {need.permission} for need in needs}
    assert all(check.ok and not check.warning for check in examine(granted, worker))
    # As a person whose account may do all that an operator does.
    lacking_of_operator = [check for check in examine(rights_of_operator(pipeline), worker) if not check.ok]
    assert len(lacking_of_operator) == len(needs) - 1
    for need in needs:
        lacking = granted | {need.path: set()}
        (failed,) = [check for check in examine(lacking, worker) if not check.ok]
        assert failed.name.endswith(need.path)
        assert "roles/pubsub." in failed.hint


def test_worker_doctor_asks_the_emulator_for_no_rights(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBSUB_PROJECT_ID", pipeline.topology.project)
    assert [check.name for check in examine_broker("executions")] == ["Pub/Sub settings"]


@pytest.fixture
def login(database: str) -> Iterator[str]:
    """The name of a login of the database's server, without rights."""
    name = f"doctor_{uuid4().hex[:8]}"
    execute(database, f"CREATE ROLE {name} LOGIN PASSWORD 'x'")
    yield name
    execute(database, f"DROP ROLE {name}")


def execute(database: str, statement: str) -> None:
    connection = psycopg2.connect(database)
    connection.autocommit = True
    connection.cursor().execute(statement)
    connection.close()


def test_login_of_a_worker_needs_its_role(database: str, login: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = connect(database, application_name="test").url.set(
        drivername="postgresql", username=login, password="x"
    )
    monkeypatch.setenv("DATABASE_URL", url.render_as_string(hide_password=False))
    for worker in WORKERS:
        name = f"login {login} has the role {ROLES[worker]}"
        lacking = {check.name: check for check in examine_database(worker)}[name]
        assert (lacking.ok, lacking.hint) == (False, f'no: GRANT {ROLES[worker]} TO "{login}"')
        execute(database, f"GRANT {ROLES[worker]} TO {login}")
        checks = list(examine_database(worker))
        assert all(check.ok for check in checks), checks
        assert {name, "database schema"} <= {check.name for check in checks}
        execute(database, f"REVOKE {ROLES[worker]} FROM {login}")


def test_doctor_warns_where_everybody_may_create(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", pipeline.database)
    monkeypatch.setenv("PUBSUB_PROJECT_ID", pipeline.topology.project)
    assert main(["doctor"]) == 0
    assert "ok     schema public: not everybody may create in it" in capsys.readouterr().out
    # As in a database that comes from PostgreSQL 14, whose schema has another owner than the migration's login.
    execute(pipeline.database, "GRANT CREATE ON SCHEMA public TO PUBLIC")
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if line.startswith("warn")]
    assert "REVOKE CREATE ON SCHEMA public FROM PUBLIC" in line
    assert "its owner pg_database_owner" in line
    assert out.endswith("checks passed, 1 warning\n")
    execute(pipeline.database, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    assert main(["doctor"]) == 0
    assert "warn" not in capsys.readouterr().out
