"""deploy/rotation: DATABASE_URL changes only when the new one works, and nothing printed holds a password."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import psycopg2
import pytest
from sqlalchemy.engine import make_url

from tests.support.documents import REPOSITORY
from tests.support.google_services import Services, serving

SECRET = "prompt-worker-database-url-executions"
OLD_PASSWORD = "old-password-of-the-login"
POOL = "workerPools/prompt-worker-executions"


class Rotation:
    """A login of a real database, its secret, and the pool that runs with it."""

    def __init__(self, database: str, environment: dict[str, str], services: Services) -> None:
        self.services, self.database, self._environment = services, database, environment
        self.login = f"executions_{make_url(database).database}"
        self.query(
            f"CREATE ROLE \"{self.login}\" LOGIN PASSWORD '{OLD_PASSWORD}' IN ROLE prompt_execution_worker"
        )
        self.kept = self.verifier()
        url = make_url(database).set(username=self.login, password=OLD_PASSWORD)
        self.old = url.render_as_string(hide_password=False)
        services.add(SECRET, self.old)
        services.run(POOL)

    def run(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, REPOSITORY / "deploy/rotation/rotate.py", "executions", "--project=p", "--region=r",
             *arguments],
            env=os.environ | self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout
        for version in self.services.versions[SECRET]:
            assert str(make_url(version["value"]).password) not in done.stdout
        assert "Traceback" not in done.stdout
        return done.stdout

    def query(self, statement: str) -> list[tuple[str]]:
        connection = psycopg2.connect(self.database)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            found = cursor.fetchall() if cursor.description else []
        connection.close()
        return found

    def verifier(self) -> str:
        """What the server keeps of the password."""
        return self.query(f"SELECT rolpassword FROM pg_authid WHERE rolname = '{self.login}'")[0][0]

    def states(self) -> list[str]:
        return [version["state"] for version in self.services.versions[SECRET]]


@pytest.fixture
def rotation(database: str) -> Iterator[Rotation]:
    services = Services()
    with serving(services) as environment:
        started = Rotation(database, environment, services)
        yield started
        started.query(f'DROP ROLE "{started.login}"')


def matches(verifier: str, password: str) -> bool:
    """Whether a password has this SCRAM-SHA-256 verifier (RFC 5803): rounds, salt, stored key."""
    rounds, salt, stored = re.fullmatch(r"SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):.*", verifier).groups()  # type: ignore[union-attr]
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(rounds))
    client = hashlib.new("sha256", _hmac(salted, b"Client Key")).digest()
    return base64.b64encode(client).decode() == stored


def _hmac(key: bytes, message: bytes) -> bytes:
    import hmac

    return hmac.new(key, message, "sha256").digest()


def test_dry_run_changes_nothing(rotation: Rotation) -> None:
    printed = rotation.run("--new-password")
    assert "dry run" in printed
    assert "has the role prompt_execution_worker" in printed
    assert [call for call in rotation.services.calls if not call.startswith("GET")] == []
    assert rotation.verifier() == rotation.kept


def test_new_password_comes_before_the_old_one_is_disabled(rotation: Rotation) -> None:
    rotation.run("--new-password", "--yes")
    new = make_url(rotation.services.versions[SECRET][-1]["value"])
    assert matches(rotation.verifier(), str(new.password))
    assert new.set(password=OLD_PASSWORD) == make_url(rotation.old)
    assert rotation.states() == ["DISABLED", "ENABLED"]
    assert rotation.services.running[POOL]["latestReadyRevision"] == "r2"
    changing = [call.partition(" ")[2] for call in rotation.services.calls if not call.startswith("GET")]
    assert [path.rpartition("/")[2] for path in changing] == [
        f"{SECRET}:addVersion", "prompt-worker-executions", "1:disable",
    ]  # fmt: skip


def test_password_is_set_back_when_no_version_is_added(rotation: Rotation) -> None:
    rotation.services.refused = {":addVersion"}
    assert "403" in rotation.run("--new-password", "--yes", code=1)
    assert matches(rotation.verifier(), OLD_PASSWORD)
    assert rotation.states() == ["ENABLED"]


def test_version_whose_answer_was_lost_is_in_force(rotation: Rotation) -> None:
    rotation.services.lost = {":addVersion"}
    rotation.run("--new-password", "--yes")
    new = make_url(rotation.services.versions[SECRET][-1]["value"])
    assert matches(rotation.verifier(), str(new.password))
    assert rotation.states() == ["DISABLED", "ENABLED"]


def test_version_that_cannot_be_checked_is_named(rotation: Rotation) -> None:
    rotation.services.refused = {"versions/2"}
    assert "versions/2 holds the URL that is in force" in rotation.run("--new-password", "--yes", code=1)
    assert rotation.states() == ["ENABLED", "ENABLED"]


def test_old_version_stays_when_what_runs_is_not_replaced(rotation: Rotation) -> None:
    rotation.services.refused = {"workerPools"}
    printed = rotation.run("--new-password", "--yes", code=1)
    assert "the version before is still enabled" in printed
    assert rotation.states() == ["ENABLED", "ENABLED"]


def test_address_that_does_not_answer_is_not_put_in_force(rotation: Rotation) -> None:
    assert "stopped" in rotation.run("--host", "127.0.0.1:1", "--yes", code=1)
    assert rotation.states() == ["ENABLED"]


def test_login_without_its_role_is_not_put_in_force(rotation: Rotation) -> None:
    rotation.query(f'REVOKE prompt_execution_worker FROM "{rotation.login}"')
    assert "grant it" in rotation.run("--new-password", "--yes", code=1)
    assert (rotation.states(), rotation.verifier()) == (["ENABLED"], rotation.kept)


def test_every_account_has_the_role_that_the_document_gives_it() -> None:
    source = (REPOSITORY / "deploy/rotation/rotate.py").read_text()
    documented = re.findall(
        r"^([a-z-]+) (prompt_\w+)$", (REPOSITORY / "deploy/README.md").read_text(), re.MULTILINE
    )
    assert dict(re.findall(r'^    "([a-z-]+)": "(prompt_\w+)",$', source, re.MULTILINE)) == dict(documented)
