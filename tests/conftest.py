"""Real services for the tests: started when first requested, shared by the session; a missing one fails it.

With `-n`, every worker process is a session with servers of its own: a test may stop, freeze or reconfigure them.
`database` clones a template that is migrated once per server; `project` is a project id of the test's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import psycopg2
import pytest
from xdist.remote import Producer

from prompt_schema.partitions import AHEAD
from prompt_worker.commands.cli import main
from prompt_worker.local import ServerError
from prompt_worker.local.servers.emulator import Emulator
from prompt_worker.local.servers.postgres import Postgres, find_system_postgres, server_version
from prompt_worker.local.servers.server import Server
from prompt_worker.platform.postgres.engine import connect
from tests.support import needing
from tests.support.memory import home_in_memory
from tests.support.months import months_made
from tests.support.pipeline import Pipeline
from tests.support.scheduling import Scheduling, number_of_processes
from tests.support.warm_checks import warm_checks as checks_in_forks

AnyServer = TypeVar("AnyServer", bound=Server)
TEMPLATE = "migrated_template"
# Months after this one that a test's database has partitions for; one of `all_months` has all that a migration makes.
# Each of the other twenty is 17 files, to be copied for each test and opened by each session, and of no other kind.
MONTHS = 3
# Those that wait longest first, so that no worker process is left alone with one at the end.
FOLDERS = ("faults", "integration", "unit")
# Tests crash servers and workers, never the machine: what is written survives without waiting for the disk.
FAST = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "1GB"}


@cache
def servers_to_test() -> dict[str, Path | None]:
    """By test id: the embedded server (None) and the newest installed one of another major version."""
    embedded = Postgres().version.partition(".")[0]
    others = ((server_version(path).partition(".")[0], path) for path in find_system_postgres())
    other = next(((major, path) for major, path in others if major != embedded), None)
    return {f"postgresql-{embedded}": None} | ({f"postgresql-{other[0]}": other[1]} if other else {})


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    return number_of_processes()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    return Scheduling(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    needing.report(terminalreporter)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    needing.leave_out(config, items)
    items.sort(key=lambda item: [name not in item.path.parts for name in FOLDERS])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "postgres" not in metafunc.fixturenames:
        return
    servers = servers_to_test()
    if metafunc.definition.get_closest_marker("embedded_only"):
        servers = dict(list(servers.items())[:1])
    metafunc.parametrize("postgres", servers.values(), ids=servers.keys(), indirect=True, scope="session")


@pytest.fixture(scope="session")
def services() -> Iterator[ExitStack]:
    """Ends every service of the session, the last started first."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="session")
def server_of(services: ExitStack, request: pytest.FixtureRequest) -> Callable[[Path | None], Postgres]:
    """The server of a directory of programs (None: the embedded one): started once, it stays until the session ends."""

    @cache
    def started(bin_dir: Path | None) -> Postgres:
        with home_in_memory():
            return start(Postgres(bin_dir=bin_dir, settings=FAST), services, request)

    return started


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest, server_of: Callable[[Path | None], Postgres]) -> Postgres:
    """The embedded server, then the system's."""
    return server_of(request.param)


@pytest.fixture
def empty_database(postgres: Postgres) -> Iterator[str]:
    """URL of a new database with nothing in it."""
    yield from new_database(postgres, "template0")


@pytest.fixture
def database(postgres: Postgres, request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of a new database with the schema and its seeds."""
    full = request.node.get_closest_marker("all_months") is not None
    yield from new_database(postgres, migrated_template(postgres, all_months=full))


@pytest.fixture(scope="session")
def emulator(request: pytest.FixtureRequest, services: ExitStack) -> Emulator:
    return start(Emulator(), services, request)


@pytest.fixture
def project(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
    """A project id that no other test sees; clients made in the test find the emulator by the environment."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", emulator.host)
    return f"test-{uuid4().hex[:12]}"


def start(server: AnyServer, services: ExitStack, request: pytest.FixtureRequest) -> AnyServer:
    """A server that is missing ends the run: every test after this one would need it too."""
    try:
        return services.enter_context(server)
    except ServerError as error:
        # Not `pytest.exit`, which a worker process of pytest-xdist does not hand on.
        request.session.shouldfail = str(error)
        pytest.fail(str(error), pytrace=False)


def execute(server: Postgres, statement: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(server.url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def url_of(server: Postgres, name: str) -> str:
    return server.url.removesuffix("postgres") + name


def new_database(server: Postgres, template: str) -> Iterator[str]:
    name = f"test_{uuid4().hex[:12]}"
    # The default strategy writes every page to the log too.
    execute(server, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield url_of(server, name)
    # A test may have stopped it.
    server.start()
    execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def migrated_template(server: Postgres, *, all_months: bool = False) -> str:
    """The name of a database to copy, made where there is none yet."""
    name, months = (f"{TEMPLATE}_all_months", AHEAD) if all_months else (TEMPLATE, MONTHS)
    if not has_database(server, name):
        make_template(server, name, months)
    return name


def has_database(server: Postgres, name: str) -> bool:
    return bool(execute(server, f"SELECT 1 FROM pg_database WHERE datname = '{name}'"))


def make_template(server: Postgres, name: str, months: int) -> None:
    """Migrated under another name and then renamed, so that a failed migration leaves no template."""
    from prompt_schema.migrate import migrate

    execute(server, f"DROP DATABASE IF EXISTS {name}_unfinished WITH (FORCE)")
    execute(server, f"CREATE DATABASE {name}_unfinished TEMPLATE template0")
    engine = connect(url_of(server, f"{name}_unfinished"), application_name="tests")
    with months_made(months):
        migrate(engine, lambda _: None)
    engine.dispose()
    execute(server, f"ALTER DATABASE {name}_unfinished RENAME TO {name}")


@pytest.fixture
def warm_checks() -> Iterator[None]:
    """Versions are checked in forks of one process, where what a check says is the subject and not its process."""
    with checks_in_forks():
        yield


@pytest.fixture
def pipeline(database: str, project: str) -> Iterator[Pipeline]:
    """The topics of the test's own project, before its own database."""
    opened = Pipeline(project, database, warm=True)
    yield opened
    opened.close()


@pytest.fixture
def prompt_worker(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """`prompt-worker ARGUMENTS`: all that it prints; fails on another exit code than `code`."""
    monkeypatch.setenv("DATABASE_URL", pipeline.database)
    monkeypatch.setenv("PUBSUB_PROJECT_ID", pipeline.topology.project)

    def run(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        found = main(arguments)
        printed = capsys.readouterr()
        assert found == code, printed
        return printed.out + printed.err

    return run
