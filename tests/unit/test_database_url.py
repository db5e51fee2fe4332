"""DATABASE_URL in every form that Cloud Run and Cloud SQL use; an unusable one is refused without its password."""

from __future__ import annotations

import traceback

import pytest

from prompt_worker.platform.failures import SettingsError
from prompt_worker.platform.postgres.engine import _primary_of_several, connect, parse_url

INSTANCE = "/cloudsql/my-project:europe-west1:prompts"
PASSWORD = "s3cr3t"


@pytest.mark.parametrize(
    ("url", "host", "port", "user", "password", "database"),
    [
        ("postgresql://u:pw@10.1.2.3:5432/prompts", "10.1.2.3", "5432", "u", "pw", "prompts"),
        ("postgresql://u:pw@10.1.2.3/prompts", "10.1.2.3", None, "u", "pw", "prompts"),
        ("postgres://u:pw@db.internal/prompts", "db.internal", None, "u", "pw", "prompts"),
        ("postgresql+psycopg2://u:pw@db/prompts", "db", None, "u", "pw", "prompts"),
        (f"postgresql://u:pw@/prompts?host={INSTANCE}", INSTANCE, None, "u", "pw", "prompts"),
        (f"postgres://u:pw@/prompts?host={INSTANCE}", INSTANCE, None, "u", "pw", "prompts"),
        (
            "postgresql://u:pw@/prompts?host=%2Fcloudsql%2Fmy-project%3Aeurope-west1%3Aprompts",
            INSTANCE,
            None,
            "u",
            "pw",
            "prompts",
        ),
        ("postgresql://u:pw@/prompts?host=/var/run&port=5433", "/var/run", "5433", "u", "pw", "prompts"),
        ("postgresql://u:p%40ss%2Fw%3Ao%23r%3Fd%25@h/prompts", "h", None, "u", "p@ss/w:o#r?d%", "prompts"),
        ("postgresql://u:p/w?x#y:z@h/prompts", "h", None, "u", "p/w?x#y:z", "prompts"),
        ("postgresql://u%40corp:pw@h/prompts", "h", None, "u@corp", "pw", "prompts"),
        ("postgresql://u:pw@[2001:db8::1]:5432/prompts", "2001:db8::1", "5432", "u", "pw", "prompts"),
        ("postgresql://u:pw@[::1]/prompts", "::1", None, "u", "pw", "prompts"),
        ("postgresql://worker@project.iam:pw@h/prompts", "h", None, "worker@project.iam", "pw", "prompts"),
        ("  postgresql://u:pw@h/prompts\n", "h", None, "u", "pw", "prompts"),
        ("postgresql://u@h/prompts", "h", None, "u", None, "prompts"),
    ],
)
def test_every_form_of_url_reaches_the_driver(  # noqa: PLR0917
    url: str, host: str, port: str | None, user: str, password: str | None, database: str
) -> None:
    arguments = driver_arguments(url)
    assert arguments.get("host") == host
    assert (str(arguments["port"]) if "port" in arguments else None) == port
    assert arguments.get("user") == user
    assert arguments.get("password") == password
    assert arguments.get("dbname") == database


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("postgresql://u:pw@h1:5433,h2:5434/d", "h1,h2", "5433,5434"),
        ("postgresql://u:pw@h1,h2/d?sslmode=require", "h1,h2", "5432,5432"),
        ("postgresql://u:pw@/d?host=h1:5433&host=h2:5434", "h1,h2", "5433,5434"),
        ("postgresql://u:pw@/d?host=h1,h2&port=5433,5434", "h1,h2", "5433,5434"),
    ],
)
def test_of_several_hosts_the_primary_is_asked_for(url: str, host: str, port: str) -> None:
    arguments = driver_arguments(url)
    assert (arguments["host"], arguments["port"]) == (host, port)
    assert connecting(url)["target_session_attrs"] == "read-write"
    assert connecting(url + ("&" if "?" in url else "?") + "target_session_attrs=any") == {}
    assert connecting("postgresql://u:pw@h1/d") == {}


def test_sslmode_and_certificates_reach_the_driver() -> None:
    arguments = driver_arguments("postgresql://u:pw@h/d?sslmode=verify-full&sslrootcert=/certs/server-ca.pem")
    assert arguments["sslmode"] == "verify-full"
    assert arguments["sslrootcert"] == "/certs/server-ca.pem"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        (f"mysql://u:{PASSWORD}@h/d", "does not start with postgresql://"),
        (f"u:{PASSWORD}@h/d", "does not start with postgresql://"),
        (f"postgresql:/u:{PASSWORD}@h/d", "does not start with postgresql://"),
        (f"host=h password={PASSWORD} dbname=d", "does not start with postgresql://"),
        (f"postgresql://u:{PASSWORD}@h:54x2/d", "port"),
        (f"postgresql://u:{PASSWORD}@h:99999/d", "port"),
        (f"postgresql://u:{PASSWORD}@h1:99999,h2/d", "port"),
        (f"postgresql://u:{PASSWORD}@h1:x,h2/d", "port"),
        (f"postgresql://u:{PASSWORD}@[::1/d", "cannot be read"),
        (f"postgresql://u:{PASSWORD}@h", "names no database"),
        (f"postgresql://u:{PASSWORD}@h/", "names no database"),
        (f"postgresql://u:{PASSWORD}@/d", "names no host"),
        (f"postgresql://u:p@{PASSWORD}@h/d", "percent-encode"),
        (f"postgresql://u:p@x/y?{PASSWORD}=1@h/d", "percent-encode"),
        (f"postgresql://u:p@x/{PASSWORD}@h/d", "percent-encode"),
        (f"postgresql://u:{PASSWORD}@/d?host=/s&port=x", "port"),
        (f"postgresql://u:p%zz@{PASSWORD}@@/d", "percent-encode"),
        (f"postgresql://u:{PASSWORD}@h/d?sslmod=require", "sslmod"),
        (f"postgresql://u:{PASSWORD}@h/d?sslmode=maybe", "sslmode"),
    ],
)
def test_unusable_url_is_refused_by_name_without_its_password(url: str, problem: str) -> None:
    with pytest.raises(SettingsError) as raised:
        connect(url, application_name="tests")
    assert "DATABASE_URL" in str(raised.value)
    assert problem in str(raised.value)
    whole_traceback = "".join(traceback.format_exception(raised.value))
    for text in (whole_traceback, repr(raised.value), str(raised.value.__cause__)):
        assert PASSWORD not in text


def test_engine_is_shown_without_its_password() -> None:
    assert PASSWORD not in repr(connect(f"postgresql://u:{PASSWORD}@h/d", application_name="tests"))


def driver_arguments(url: str) -> dict[str, object]:
    """The arguments that psycopg2 gets."""
    engine = connect(url, application_name="tests")
    _, arguments = engine.dialect.create_connect_args(parse_url(url))
    return dict(arguments)


def connecting(url: str) -> dict[str, str]:
    """What `connect` adds for several hosts."""
    return _primary_of_several(parse_url(url))
