"""PostgreSQL refuses to run as root: the account it runs as then, and what that account can reach."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from prompt_worker.local import ServerError

_BECOME = """
import os, sys
user, group, *command = sys.argv[1:]
os.setgroups([])
os.setgid(int(group))
os.setuid(int(user))
try:
    os.execv(command[0], command)
except OSError as error:
    sys.exit(f"cannot run {command[0]}: {error.strerror}")
"""


@dataclass(frozen=True)
class Account:
    name: str
    uid: int
    gid: int

    @classmethod
    def of(cls, entry: pwd.struct_passwd) -> Self:
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid)

    def command(self, *command: str) -> list[str]:
        """The same command, run as this account: by a program that changes user and becomes it, keeping its pid.

        (`subprocess` with `user=` forks, and gRPC, once loaded, ends forked children at random.)
        """
        return [sys.executable, "-ISc", _BECOME, str(self.uid), str(self.gid), *command]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Runs to the end as this account."""
        return subprocess.run(self.command(*command), cwd="/", capture_output=True, text=True, check=False)

    def can_enter(self, directory: Path) -> bool:
        return self.run("/bin/sh", "-c", 'test -d "$1" && test -x "$1"', "sh", str(directory)).returncode == 0

    def can_execute(self, program: Path) -> bool:
        return self.run("/bin/sh", "-c", 'test -x "$1"', "sh", str(program)).returncode == 0

    def own(self, tree: Path) -> None:
        """Gives this account `tree` and everything in it."""
        os.chown(tree, self.uid, self.gid)
        for folder, folders, files in os.walk(tree):
            for name in (*folders, *files):
                os.chown(os.path.join(folder, name), self.uid, self.gid, follow_symlinks=False)


def server_account(data_dir: Path | None) -> Account | None:
    """None: run as we are. As root: the owner of an existing `data_dir`, else `postgres`, else `nobody`."""
    if os.geteuid() != 0:
        return None
    if data_dir is not None and (data_dir / "PG_VERSION").exists():
        owner = (data_dir / "PG_VERSION").stat().st_uid
        if owner != 0:
            return Account.of(pwd.getpwuid(owner))
    for name in ("postgres", "nobody"):
        try:
            return Account.of(pwd.getpwnam(name))
        except KeyError:
            continue
    raise ServerError(
        "PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody` to run it"
    )


def copy_installation(package: Path, target: Path, account: Account) -> Path:
    """Copies the wheel's server (about 30 MB) and the libraries beside it; returns where its programs are."""
    unused = shutil.ignore_patterns("include", "doc", "pgxs", "pkgconfig", "*.a", "*.py", "__pycache__")
    shutil.copytree(package, target / package.name, ignore=unused)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name)
    account.own(target)
    programs = target / package.name / "pginstall" / "bin"
    if not account.can_execute(programs / "postgres"):
        raise ServerError(f"no program may run in {target.parent}: set TMPDIR to a directory that allows it")
    return programs


def temporary_home(account: Account | None) -> Path:
    """A new directory that `account` owns and reaches, its path short enough for a socket in it (107 bytes)."""
    bases = [Path(tempfile.gettempdir()), Path("/tmp")]  # noqa: S108
    for base in bases:
        if len(os.fsencode(base)) <= 70 and (account is None or account.can_enter(base)):
            home = Path(tempfile.mkdtemp(prefix="prompt-worker-", dir=base))
            if account:
                os.chown(home, account.uid, account.gid)
            return home
    raise ServerError(
        f"no temporary directory that user {account and account.name} can enter: set TMPDIR to one"
    )
