"""Who gets into the console, from where, and what its login may do there."""

from __future__ import annotations

import html
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import psycopg2
import pytest

from prompt_worker.console.access.identity import SESSION, LocalIdentity
from prompt_worker.console.access.rights import ROLES
from prompt_worker.console.pages import ROUTES
from tests.support.browsing import Browser, browsing
from tests.support.console_rows import EXECUTION, NAME, SECRET, fill

ACTIONS = [route for route in ROUTES if route.method == "POST"]


@pytest.fixture
def filled(database: str) -> str:
    fill(database, executions=20)
    return database


@contextmanager
def as_role(database: str, *roles: str) -> Iterator[Browser]:
    """The console with a login that has these roles alone."""
    login = f"console_{database.rpartition('/')[2]}"
    with closing(psycopg2.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {login} LOGIN {'IN ROLE ' + ', '.join(roles) if roles else ''}")
        connection.commit()
        try:
            with browsing(database.replace("//postgres@", f"//{login}@")) as browser:
                yield browser
        finally:
            cursor.execute(f"DROP OWNED BY {login}; DROP ROLE {login}")
            connection.commit()


def test_nothing_is_answered_without_a_session(database: str) -> None:
    with browsing(database) as browser:
        for path in ("/", "/prompts", "/nowhere", "/executions"):
            for cookie in ("", f"{browser.identity.cookie}=", f"{browser.identity.cookie}=9999999999.odd"):
                answer = browser.get(path, {"Cookie": cookie})
                assert answer.status == 401, path
                assert "prompt-worker console" in answer.text
        assert browser.post("/theme", {"theme": "dark"}, {"Cookie": ""}).status == 401
        assert browser.get("/enter", {"Cookie": ""}, key="odd").status == 401
        entered = browser.get("/enter", {"Cookie": ""}, key=browser.identity.key)
        assert (entered.status, entered.location) == (303, "/")
        cookie = entered.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=lax" in cookie.lower()
        assert browser.get("/", {"Cookie": cookie.partition(";")[0]}).status == 200
        assert browser.get("/healthz", {"Cookie": ""}).text == "ok"


def test_sessions_end_and_cannot_be_forged() -> None:
    now = 1_000.0
    identity = LocalIdentity("ada", 1, clock=lambda: now)
    session = identity.session(identity.key)
    assert session is not None
    assert identity.is_valid(session)
    until, _, signature = session.partition(".")
    for forged in ("", ".", f"{int(until) + 1}.{signature}", f"{until}.", f"{until}.é", "x.y", session[:-1]):
        assert not identity.is_valid(forged), forged
    assert not LocalIdentity("ada", 1, clock=lambda: now).is_valid(session)
    now += SESSION
    assert not identity.is_valid(session)


def test_forms_of_other_sites_change_nothing(filled: str) -> None:
    foreign = [
        {"Origin": "http://evil.example", "Sec-Fetch-Site": ""},
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "null"},
        {"Origin": "", "Sec-Fetch-Site": ""},
    ]
    with browsing(filled) as browser:
        for headers in foreign:
            answer = browser.post("/prompt/block", {"block": "true", "reason": "x"}, headers, name=NAME)
            assert answer.status == 403, headers
        for host in ("evil.example", f"evil.example:{browser.port}", "127.0.0.1:1", ""):
            assert browser.get("/", {"Host": host or "x"}).status == 421, host
        for site in ("cross-site", "same-site"):
            for part, status in (("image", 403), ("iframe", 403), ("empty", 403), ("document", 200)):
                part_of = {"Sec-Fetch-Site": site, "Sec-Fetch-Dest": part}
                assert browser.get("/prompts", part_of).status == status, part_of
        assert "blocked" not in browser.get("/prompt", name=NAME).text
        own = {"Sec-Fetch-Site": ""}
        assert browser.post("/prompt/block", {"block": "true", "reason": "x"}, own, name=NAME).status == 303


def test_every_answer_has_the_headers(database: str) -> None:
    with browsing(database) as browser:
        style, script = re.search(r"/static/\w+/console\.css", browser.get("/").text), "/nowhere"
        assert style
        for path in ("/", "/prompts", script, style[0], "/enter", "/healthz"):
            headers = browser.get(path).headers
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cache-control"] == "no-store" or path == style[0]
        assert browser.send("HEAD", "/prompts").status == 200
        assert browser.send("DELETE", "/prompts", headers={"Sec-Fetch-Site": "same-origin"}).status == 405
        assert browser.post("/prompts").status == 405
        assert browser.post("/theme", {"theme": "x" * 200_000}).status == 413
        assert browser.post("/theme", {"theme": "dark", "back": "//evil.example"}).status == 400
        for back in ("/\\evil.example", "/prompts\n", "/prompts?a\r\nb", "http://evil.example"):
            assert browser.post("/theme", {"theme": "dark", "back": back}).status == 400, back
        # A page of one prompt is nothing without its query.
        for back in ("/prompts", "/prompt?name=a%2Fb%26&version=2"):
            page = browser.send("GET", back).text
            assert f'name="back" value="{html.escape(back)}"' in page
            assert browser.post("/theme", {"theme": "dark", "back": back}).location == back


def test_form_that_never_arrives_is_not_waited_for(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them holds one of the connections, and needs no session."""
    monkeypatch.setattr("prompt_worker.console.app.FORM_SECONDS", 0.1)
    with browsing(database) as browser, socket.create_connection(("127.0.0.1", browser.port), 10) as sending:
        head = f"POST /theme HTTP/1.1\r\nHost: {browser.host}\r\nOrigin: http://{browser.host}\r\n"
        sending.sendall(f"{head}Content-Length: 9\r\n\r\ntheme".encode())
        with sending.makefile("rb") as answer:
            assert answer.read().startswith(b"HTTP/1.1 408 ")


def test_login_without_roles_is_told_which_it_needs(filled: str) -> None:
    with as_role(filled) as browser:
        for route in ROUTES:
            if route.needs is None:
                continue
            answer = (browser.get if route.method == "GET" else browser.post)(route.path)
            assert answer.status == 403, (route.path, answer.text)
            assert ROLES[route.needs] in answer.text, route.path
        assert browser.get("/").status == 200


def test_viewer_reads_and_changes_nothing(filled: str) -> None:
    """Buttons say why they cannot be pressed, and the server refuses a forged form too."""
    with as_role(filled, "prompt_viewer") as browser:
        for path, query in (
            ("/", {}), ("/prompts", {}), ("/prompt", {"name": NAME}), ("/executions", {}), ("/experiments", {}),
            ("/experiment", {"name": "wording"}), ("/execution", {"id": EXECUTION}), ("/audit", {}),
            ("/guardrails", {}), ("/health", {}), ("/executions", {"prompt": NAME}),
        ):  # fmt: skip
            answer = browser.get(path, **query)
            assert answer.status == 200, (path, answer.text)
            assert "The database says" not in answer.text, path
        text = browser.get("/prompt", name=NAME).text
        assert "GRANT prompt_approver TO" in text
        assert 'href="/prompt/rollback' not in text
        assert "user-1" not in browser.get("/executions").text
        assert browser.get("/executions", user="user-1").status == 400
        for route in ACTIONS:
            if route.needs is not None:
                assert browser.post(route.path, {}, name=NAME, id=EXECUTION).status == 403, route.path
        assert SECRET not in browser.post("/execution", id=EXECUTION).text
        for path in ("/dead-letters", "/violations"):
            assert browser.get(path).status == 403


def test_texts_are_shown_once_it_is_recorded(filled: str) -> None:
    with as_role(filled, "prompt_text_reader", "prompt_viewer") as browser:
        assert SECRET not in browser.get("/execution", id=EXECUTION).text
        shown = browser.post("/execution", id=EXECUTION)
        assert shown.status == 200
        assert shown.text.count(SECRET) == 3
        assert EXECUTION in browser.get("/audit").text
        # The right to read texts is none to read dead letters.
        assert browser.post("/dead-letter", id=EXECUTION).status == 403
        assert SECRET not in browser.get("/execution", id=EXECUTION).text
    with closing(psycopg2.connect(filled)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT who, login, action, kind, subject::text FROM console_audit")
        ((who, login, *what),) = cursor.fetchall()
        assert who == login == f"console_{filled.rpartition('/')[2]}"
        assert what == ["revealed", "execution", EXECUTION]
        # The record itself stays as it is, whoever asks.
        for statement in ("UPDATE console_audit SET kind = 'dead_letter'", "DELETE FROM console_audit"):
            with pytest.raises(psycopg2.Error, match="only ever added to"):
                cursor.execute(statement)
            connection.rollback()


def test_executions_of_one_moment_are_all_listed(filled: str) -> None:
    """As services write them whose clock has whole seconds: pages go by the id, too."""
    fill_moment = (
        "INSERT INTO prompt_executions (id, template_id, template_name, template_version, input_variables, "
        "rendered_prompt, status, request_id, executed_at) "
        "SELECT gen_random_uuid(), id, name, version, '{}', '', 'partial', %s, "
        "now() - interval '1 hour' FROM prompt_templates, generate_series(1, 130) "
        "WHERE name = %s AND version = 2"
    )
    with closing(psycopg2.connect(filled)) as connection, connection.cursor() as cursor:
        cursor.execute(fill_moment, (EXECUTION, NAME))
        cursor.execute("ANALYZE prompt_executions")
        connection.commit()
    with browsing(filled) as browser:
        for query, number in ((f"prompt={NAME}&status=partial", 130), (f"id={EXECUTION}", 131)):
            address, found = f"/executions?{query}", list[str]()
            while address:
                text = browser.send("GET", address).text
                found += re.findall(r'<a href="/execution\?id=([0-9a-f-]{36})', text)
                older = re.search(r'rel="next" href="([^"]+)"', text)
                address = html.unescape(older[1]) if older else ""
                assert len(found) <= number, query
            assert len(set(found)) == number, query


def test_many_who_look_at_once_are_all_answered(database: str) -> None:
    """More than there are connections and threads."""
    with browsing(database) as browser, ThreadPoolExecutor(60) as people:
        paths = ["/", "/prompts", "/executions", "/health"] * 20
        assert {answer.status for answer in people.map(browser.get, paths)} == {200}


def test_server_that_was_restarted_costs_no_page(database: str) -> None:
    """The connections that were open are gone; whoever looks does not notice."""
    with browsing(database) as browser, closing(psycopg2.connect(database)) as connection:
        for _ in range(3):
            assert browser.get("/prompts").status == 200
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                    "WHERE application_name = 'prompt-worker console' AND datname = current_database()"
                )
                assert cursor.fetchall()[0][0] > 0
                connection.rollback()


def test_database_that_is_down_has_a_page_that_says_so() -> None:
    with browsing("postgresql://nobody:secret-word@127.0.0.1:1/none") as browser:
        for path in ("/", "/prompts", "/executions"):
            answer = browser.get(path)
            assert answer.status == 503
            assert "The database cannot be used" in answer.text
            assert "prompt-worker doctor" in answer.text
            assert "secret-word" not in answer.text
        assert browser.get("/nowhere").status == 404


def test_database_that_was_never_migrated_says_what_to_do(empty_database: str) -> None:
    with browsing(empty_database) as browser:
        answer = browser.get("/")
        assert answer.status == 503
        assert "prompt-worker migrate" in answer.text
