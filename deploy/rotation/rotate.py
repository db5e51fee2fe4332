"""Changes DATABASE_URL of one account: python deploy/rotation/rotate.py ACCOUNT --project P --region R --new-password

A dry run unless --yes: it prints what it would do, without a password. With --yes: the new URL connects and has its
role, the secret has a version with it, what uses it has restarted, and only then the version before is disabled.
Whatever fails before the version is added leaves all as it was. Run it where the database can be reached, with
prompt-worker[worker] installed. Exit code 1: the last line says what is in force.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from typing import NamedTuple

from google_api import Google, GoogleError
from login import LoginError, prove, set_password, shown
from sqlalchemy.engine import URL

from prompt_worker.platform.failures import Failure
from prompt_worker.platform.postgres.engine import parse_url

# By account: its role in the database (None: the owner), and what runs as it all the time; a job reads its secret each
# time that it starts.
ROLES = {
    "executions": "prompt_execution_worker",
    "guardrails": "prompt_guardrail_worker",
    "feedback": "prompt_feedback_worker",
    "dead-letters": "prompt_dead_letter_worker",
    "experiments": "prompt_experiment_worker",
    "operator": "prompt_operator",
    "registry": "prompt_reader",
    "migrations": None,
}
RUNNING = {
    "executions": [("workerPools", "executions"), ("services", "push-executions")],
    "guardrails": [("workerPools", "guardrails"), ("services", "push-guardrails")],
    "feedback": [("workerPools", "feedback"), ("services", "push-feedback")],
    "dead-letters": [("workerPools", "dead-letters")],
    "experiments": [("workerPools", "experiments")],
    "registry": [("services", "registry")],
}


class StoppedError(Exception):
    """Says what is in force."""


def main() -> int:
    options = _options()
    try:
        _rotate(options, Google(options.project, options.region))
    except (StoppedError, LoginError, GoogleError, Failure) as error:
        print(f"stopped: {error}", file=sys.stderr)
        return 1
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("account", choices=sorted(ROLES))
    parser.add_argument("--project", required=True)
    parser.add_argument("--region", required=True)
    parser.add_argument("--new-password", action="store_true", help="give the login another password")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--host", help="ADDRESS or ADDRESS:PORT of the database from now on")
    where.add_argument("--socket", metavar="FOLDER", help="/cloudsql/PROJECT:REGION:INSTANCE from now on")
    parser.add_argument("--yes", action="store_true", help="do it (default: dry run)")
    return parser.parse_args()


class Change(NamedTuple):
    """Of one secret: its newest version, and the URL that replaces the one in it."""

    secret: str
    version: str
    old: URL
    new: URL
    role: str | None

    @property
    def of_password(self) -> bool:
        return self.old.password != self.new.password


def _rotate(options: argparse.Namespace, google: Google) -> None:
    secret = f"prompt-worker-database-url-{options.account}"
    version, value = google.newest_version(secret)
    old = parse_url(value)
    change = Change(secret, version, old, _changed(old, options), ROLES[options.account])
    if change.new == old:
        raise StoppedError("nothing to change: give --new-password, --host or --socket")
    print(f"{secret}: version {_number(version)} is {shown(old)}")
    print(f"the new one is {shown(change.new)}" + (", with another password" if change.of_password else ""))
    # A password that is not set yet cannot be tried, but where it will be.
    prove(change.new.set(password=old.password), change.role)
    print("it connects" + (f" and has the role {change.role}" if change.role else ""))
    if not options.yes:
        print("dry run: nothing changed; pass --yes to change it")
        return
    added = _put_in_force(google, change)
    print(f"version {_number(added)} is added and enabled")
    _replace_what_runs(google, options.account, added)
    google.disable(version)
    print(
        f"version {_number(version)} is disabled" + ("" if change.of_password else "; enable it to go back")
    )


def _put_in_force(google: Google, change: Change) -> str:
    """The version that was added. Whatever fails before it is, the login's password is the old one again."""
    if change.of_password:
        set_password(change.old, str(change.new.password))
    try:
        prove(change.new, change.role)
        if google.newest_version(change.secret)[0] != change.version:
            raise StoppedError(f"another version was added meanwhile to {change.secret}")
        added = _added(google, change)
    except BaseException:
        if change.of_password:
            set_password(change.new, str(change.old.password))
        raise
    try:
        enabled = google.is_enabled(added)
    except GoogleError as error:
        raise GoogleError(
            f"{error}. {added} holds the URL that is in force, and what runs has not restarted"
        ) from None
    if not enabled:
        raise StoppedError(
            f"{added} holds the URL that is in force, and is not enabled: enable it, then restart"
        )
    return added


def _added(google: Google, change: Change) -> str:
    value = change.new.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        return google.add_version(change.secret, value)
    except GoogleError:
        # An answer that was lost on its way: the version is there all the same.
        version, newest = google.newest_version(change.secret)
        if newest != value:
            raise
        return version


def _changed(old: URL, options: argparse.Namespace) -> URL:
    new = old
    if options.host:
        host, _, port = options.host.partition(":")
        new = new.difference_update_query(["host"]).set(host=host, port=int(port) if port else old.port)
    if options.socket:
        # A socket is not encrypted, and a server that is asked to refuses.
        kept = {key: value for key, value in old.query.items() if not key.startswith("ssl")}
        query = kept | {"host": options.socket}
        new = URL.create(old.drivername, old.username, old.password, database=old.database, query=query)
    return new.set(password=secrets.token_hex(24)) if options.new_password else new


def _number(version: str) -> str:
    return version.rpartition("/")[2]


def _replace_what_runs(google: Google, account: str, added: str) -> None:
    for kind, name in RUNNING.get(account, []):
        try:
            replaced = google.restart(kind, f"prompt-worker-{name}")
        except GoogleError as error:
            raise GoogleError(
                f"{error}. {added} is in force for what starts; the version before is still enabled: disable it when "
                f"prompt-worker-{name} has restarted"
            ) from None
        print(f"prompt-worker-{name}: " + ("a new revision runs" if replaced else "is not there"))


if __name__ == "__main__":
    sys.exit(main())
