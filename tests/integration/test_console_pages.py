"""Every page of the console: on an empty database, on a full one, and with hostile text in every column."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from html.parser import HTMLParser

import psycopg2
import pytest

from prompt_worker.console.pages import ROUTES
from prompt_worker.deadletters.filters import WORKER_NAMES
from prompt_worker.local.servers.postgres import Postgres
from tests.conftest import migrated_template, new_database
from tests.support.browsing import Answer, Browser, browsing
from tests.support.console_rows import EXECUTION, NAME, SECRET, fill
from tests.support.hostile import HOSTILE, SIGNS, UNSEEN

GETS = sorted(route.path for route in ROUTES if route.method == "GET")
# On an empty database there is nothing that these could be about.
OF_ONE = {"/prompt", "/prompt/diff", "/prompt/activate", "/prompt/rollback", "/prompt/block", "/execution",
          "/experiment", "/dead-letter"}  # fmt: skip


class Page(HTMLParser):
    """What a browser makes of a page: tags, attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


@dataclass(frozen=True)
class Site:
    """A console on a full database; `queries`: by path, what each page is asked for there."""

    browser: Browser
    queries: Mapping[str, Mapping[str, object]]
    # Asked for once: some pages take a second, as they try a prompt in a process of its own.
    answers: dict[str, Answer] = field(default_factory=dict)

    def get(self, path: str) -> Answer:
        if path not in self.answers:
            self.answers[path] = self.browser.get(path, **self.queries.get(path, {}))
        return self.answers[path]


@pytest.fixture(scope="module")
def full(postgres: Postgres) -> Iterator[Site]:
    yield from _filled(postgres, "")


@pytest.fixture(scope="module")
def hostile(postgres: Postgres) -> Iterator[Site]:
    yield from _filled(postgres, HOSTILE)


def _filled(postgres: Postgres, odd: str) -> Iterator[Site]:
    for url in new_database(postgres, migrated_template(postgres)):
        fill(url, odd)
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT id::text FROM dead_letter_events ORDER BY id LIMIT 1")
            ((letter,),) = cursor.fetchall()
        with browsing(url) as browser:
            yield Site(browser, queries(letter, odd))


def queries(letter: str, odd: str = "") -> dict[str, dict[str, object]]:
    """By path: what each page is asked for."""
    return {
        "/prompt": {"name": NAME},
        "/prompt/diff": {"name": NAME, "before": 1, "after": 2},
        "/prompt/activate": {"name": NAME, "version": 3},
        "/prompt/rollback": {"name": NAME},
        "/prompt/block": {"name": NAME},
        "/execution": {"id": EXECUTION},
        "/experiment": {"name": f"wording{odd}"[:255]},
        "/dead-letter": {"id": letter},
    }


@pytest.fixture
def browser(database: str) -> Iterator[Browser]:
    """On an empty database, but for what the migrations put there."""
    with browsing(database) as opened:
        yield opened


def test_empty_pages_say_what_to_do(browser: Browser) -> None:
    for path in GETS:
        answer = browser.get(path, **queries(EXECUTION).get(path, {}))
        if path in OF_ONE:
            assert answer.status in (400, 404), (path, answer.text)
            assert 'role="alert"' in answer.text, path
            continue
        assert answer.status == 200, (path, answer.text)
        assert 'class="missing"' not in answer.text, (path, answer.text)
    for path in ("/executions", "/experiments", "/violations", "/dead-letters"):
        text = browser.get(path).text
        assert re.search(r'class="empty".*<code>prompt-worker ', text, re.DOTALL), path


def test_full_pages_show_what_there_is(full: Site) -> None:
    expected = {
        "/": ("7 pending", "is blocked", "winner", "120", "85.8 %"),
        "/prompts": (NAME, "v2", "v3 waits", "beta v3"),
        "/prompt": ("Be kind.", "tutor-0", "clearer hints", "v2 in production"),
        "/prompt/diff": ("-Give a hint in 1 sentences.", "+Give a hint in 2 sentences."),
        "/prompt/activate": ("50 fail", "missing: language", "takes the place of version 2"),
        "/prompt/rollback": ("Roll back to version 1", "It can be served"),
        "/executions": ("50 executions", "user-1", "Timeout", "Older"),
        "/execution": ("failure", "Timeout", "Show the texts", "a***@b.c"),
        "/experiments": ("wording", "winner"),
        "/experiment": ("no difference", "+0.003455", "p 0.61", "too few"),
        "/guardrails": ("applied", "inactive", "60"),
        "/violations": ("a***@b.c", "False alarm", "Older"),
        "/dead-letters": ("unknown_template", "Replay…", "Discard…"),
        "/dead-letters/list": ("no template unknown",),
        "/dead-letter": ("hidden: str", "Show the texts"),
        "/dead-letters/replay": ("would fail again", "Send 8 again"),
        "/dead-letters/discard": ("8 dead letters are discarded",),
        "/audit": ("The chain is whole", "bob", "labelled"),
        "/health": ("All migrations are applied", "Last execution"),
    }
    for path in GETS:
        answer = full.get(path)
        assert answer.status == 200, (path, answer.text)
        words = Page(answer.text).words
        assert 'class="missing"' not in answer.text, (path, answer.text)
        assert len(answer.text) < 60_000, path
        assert SECRET not in answer.text, path
        for each in expected.get(path, ()):
            assert each in words, (path, each)


def test_every_page_reads_well_without_eyes(full: Site) -> None:
    """One heading of the page, a language, names of regions that scroll, labels of fields, captions of pictures."""
    for path in GETS:
        text = full.get(path).text
        tags = Page(text).tags
        names = [tag for tag, _ in tags]
        ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
        assert names.count("h1") == names.count("main") == names.count("title") == 1, path
        assert len(ids) == len(set(ids)), (path, ids)
        for tag, attributes in tags:
            if tag == "svg":
                assert {"aria-label", "aria-labelledby"} & set(attributes), path
            if "aria-labelledby" in attributes or "aria-describedby" in attributes:
                wanted = attributes.get("aria-labelledby") or attributes.get("aria-describedby")
                assert wanted in ids, (path, wanted)
            if attributes.get("class") == "wide":
                assert attributes["aria-label"], path
            # A strict policy lets neither through.
            assert not [name for name in attributes if name.startswith("on") or name == "style"], path
        assert len(re.findall(r"<label", text)) >= len(
            re.findall(r'<(?:input(?! type="hidden")|select|textarea)\b', text)
        ), path


def test_hostile_text_is_inert_on_every_page(hostile: Site) -> None:
    def check(path: str, text: str) -> None:
        for sign in SIGNS:
            assert sign not in text, (path, sign)
        page = Page(text)
        for tag, attributes in page.tags:
            assert tag != "script" or set(attributes) == {"src", "defer"}, path
            assert not [name for name in attributes if name.startswith("on")], (path, tag, attributes)
            assert not str(attributes.get("href") or "/").startswith("javascript"), path
        assert not set(UNSEEN) & set(page.words), path
        assert "49" not in page.words.split(), path

    shown = 0
    for path in GETS:
        answer = hostile.get(path)
        assert answer.status == 200, (path, answer.text)
        check(path, answer.text)
        shown += "⟨U+202E⟩" in answer.text
    # Where the text is, it is marked.
    assert shown > 10
    other = f"other{HOSTILE}"[:255]
    for path, query in (
        ("/prompt", {"name": other}),
        ("/prompt/block", {"name": other}),
        ("/audit", {"subject": other}),
    ):
        answer = hostile.browser.get(path, **query)
        assert answer.status == 200, (path, answer.text)
        check(path, answer.text)
    for path, query in (("/execution", {"id": EXECUTION}), ("/dead-letter", hostile.queries["/dead-letter"])):
        revealed = hostile.browser.post(path, **query)
        assert SECRET in revealed.text, path
        check(path, revealed.text)
    # In a query that no page expects, and in an error of one that does.
    for path in ("/prompts", "/executions", "/violations", "/dead-letters"):
        check(path, hostile.browser.get(path, q=HOSTILE, prompt=HOSTILE, reason=HOSTILE, status=HOSTILE).text)
    check("/nowhere", hostile.browser.get("/<script>odd").text)


def test_bad_parameters_are_answered_400(full: Site) -> None:
    bad = {
        "/execution": [{}, {"id": "x"}, {"id": "1"}],
        "/executions": [{"version": "-1"}, {"version": "9" * 30}, {"status": "odd"}, {"until": "yesterday"},
                        {"after": "x"}, {"user": "a\0b"}, {"prompt": "x" * 300}, {"id": "null"},
                        {"until": "253402300800"}, {"until": "9999-12-31T23:59:59-23:59"}],
        "/prompt": [{}, {"name": "x" * 300}, {"name": NAME, "version": "two"}],
        "/prompt/diff": [{"name": NAME, "before": "0"}],
        "/dead-letters": [{"since": "x"}, {"consumer": "odd"}, {"event_id": "null"},
                         {"since": "0001-01-01T00:00:00+23:59"}],
        "/violations": [{"after": "x"}, {"until": "1e99"}],
    }  # fmt: skip
    for path, queries in bad.items():
        for query in queries:
            answer = full.browser.get(path, **query)
            assert answer.status == 400, (path, query, answer.text)
            assert 'role="alert"' in answer.text
    assert "Invalid choice - at `status`" in full.browser.get("/executions", status="odd").text
    for path, query in (
        ("/prompt", {"name": ".."}),
        ("/prompt", {"name": NAME, "version": 99}),
        ("/odd", {}),
    ):
        assert full.browser.get(path, **query).status == 404, (path, query)


def test_times_are_utc_however_they_are_given(full: Site) -> None:
    """What browsers send for a whole minute has no seconds; an address of elsewhere may have an offset."""
    for given in ("2026-11-26T10:00", "2026-11-26T10:00:00", "2026-11-26T19:00:00+09:00"):
        text = full.browser.get("/executions", until=given).text
        assert "until: 2026-11-26 10:00:00" in text, given
        assert 'value="2026-11-26T10:00:00"' in text, given


def test_dead_letters_of_each_worker_are_found(full: Site) -> None:
    for consumer in WORKER_NAMES:
        assert full.browser.get("/dead-letters/list", consumer=consumer).status == 200, consumer


def test_executions_are_paged_without_gaps(full: Site) -> None:
    """All of them, once, the newest first; with each kind of filter as many as there are."""

    def pages(**query: object) -> list[str]:
        found: list[str] = []
        answer = full.browser.get("/executions", **query)
        while True:
            found += re.findall(r'<a href="/execution\?id=([0-9a-f-]{36})', answer.text)
            older = re.search(r'rel="next" href="([^"]+)"', answer.text)
            if older is None:
                return found
            answer = full.browser.send("GET", older[1].replace("&amp;", "&"))

    ids = pages()
    assert len(ids) == len(set(ids)) == 120
    assert pages(prompt=NAME) == ids
    assert len(pages(prompt=NAME, version=2)) == 31
    assert len(pages(status="failure")) == len(pages(prompt=NAME, status="failure")) == 10
    assert set(pages(user="user-3", status="success")) <= set(pages(user="user-3"))
    assert len(pages(user="user-3")) == 17
    assert len(pages(service="tutor-1", environment="production")) == 60
    assert pages(id=EXECUTION) == [EXECUTION]
    assert pages(id="0198c0de-0000-7000-8000-00000000ffff") == []
    assert pages(prompt="nobody") == []


def test_every_check_of_the_doctor_is_on_the_health_page(full: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", full.browser.database)
    monkeypatch.delenv("PUBSUB_PROJECT_ID", raising=False)
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    words = Page(full.browser.get("/health", checks="true").text).words
    assert "database schema" in words
    assert "PUBSUB_PROJECT_ID" in words


def test_page_of_one_slow_statement_says_so(full: Site) -> None:
    """A block that waits too long costs that block, and the page is there."""
    with closing(psycopg2.connect(full.browser.database)) as locking, locking.cursor() as cursor:
        cursor.execute("LOCK TABLE prompt_executions IN ACCESS EXCLUSIVE MODE")
        answer = full.browser.get("/prompt", name=NAME)
        locking.rollback()
        locking.cursor().execute("LOCK TABLE dead_letter_events IN ACCESS EXCLUSIVE MODE")
        started = time.monotonic()
        overview = full.browser.get("/")
        waited = time.monotonic() - started
        locking.rollback()
    assert answer.status == 200
    assert "took too long" in answer.text
    assert "Be kind." in answer.text
    assert overview.status == 200
    assert "took too long" in overview.text
    assert "The last 24 hours" in overview.text
    # A lock of another one is waited for by each attempt of what acts.
    assert waited < 5
