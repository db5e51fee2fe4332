"""What people change in the console: through the same functions as the commands, and only what they looked at."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from tests.support.browsing import Answer, Browser, browsing
from tests.support.console_rows import NAME, fill
from tests.support.deadletters import FEEDBACK
from tests.support.events import body
from tests.support.feedback import feedback_body
from tests.support.pipeline import Pipeline
from tests.support.replaying import letter, store

# What they change is the domain's, which is tested on every server.
pytestmark = pytest.mark.embedded_only


@pytest.fixture
def browser(database: str) -> Iterator[Browser]:
    fill(database, executions=0)
    with browsing(database, "ada") as opened:
        yield opened


def query(browser: Browser, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(browser.database)) as connection, connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        found = cursor.fetchall() if cursor.description else []
        connection.commit()
        return found


def production(browser: Browser) -> int:
    ((version,),) = query(browser, "SELECT version FROM prompt_templates WHERE name = %s AND is_active", NAME)
    return int(version)


def fields(answer: Answer) -> dict[str, str]:
    """What the page's own form sends."""
    found = re.findall(r'<input type="hidden" name="([a-z0-9_]+)" value="([^"]*)"', answer.text)
    return {name: value for name, value in found if name != "back"}


def test_version_is_activated_as_it_was_looked_at(browser: Browser) -> None:
    page = browser.get("/prompt/activate", name=NAME, version=3)
    assert "no execution yet to try it on" in page.text
    done = browser.post("/prompt/activate", {**fields(page), "reason": "clearer"}, name=NAME, version=3)
    assert (done.status, production(browser)) == (303, 3)
    assert "v3 in production" in browser.send("GET", done.location).text
    ((reason,),) = query(
        browser, "SELECT reason FROM prompt_history WHERE action = 'activated' ORDER BY id DESC LIMIT 1"
    )
    assert reason == "clearer"
    # A second press of the same button changes nothing, and a page that is older is refused.
    assert browser.post("/prompt/activate", fields(page), name=NAME, version=3).status == 303
    late = browser.post("/prompt/activate", fields(page) | {"reason": "mine"}, name=NAME, version=1)
    assert (late.status, production(browser)) == (409, 3)
    assert "in production since you looked" in late.text
    assert "mine" in late.text
    changed = fields(browser.get("/prompt/activate", name=NAME, version=1)) | {"sha256": "0" * 64}
    assert browser.post("/prompt/activate", changed, name=NAME, version=1).status == 409
    assert production(browser) == 3
    # What fails is named, also where only a saved case does.
    query(
        browser,
        "INSERT INTO prompt_cases (name, input_variables, note) VALUES (%s, '{}', 'from <May>')",
        NAME,
    )
    failing = browser.get("/prompt/activate", name=NAME, version=2).text
    assert "Something fails" in failing
    assert "cannot be rendered: " in failing
    assert "from &lt;May&gt;" in failing


def test_policy_refuses_and_break_glass_needs_a_reason(browser: Browser) -> None:
    query(browser, "UPDATE prompt_names SET approvals_needed = 2 WHERE name = %s", NAME)
    sent = fields(browser.get("/prompt/activate", name=NAME, version=3))
    refused = browser.post("/prompt/activate", sent, name=NAME, version=3)
    assert (refused.status, production(browser)) == (409, 2)
    assert "approval" in refused.text
    glass = sent | {"break_glass": "true"}
    assert browser.post("/prompt/activate", glass, name=NAME, version=3).status == 409
    assert browser.post("/prompt/activate", glass | {"reason": "fire"}, name=NAME, version=3).status == 303
    assert production(browser) == 3


def test_rollback_goes_back_once_however_often_it_is_pressed(browser: Browser) -> None:
    page = browser.get("/prompt/rollback", name=NAME)
    assert browser.post("/prompt/rollback", fields(page), name=NAME).status == 303
    again = browser.post("/prompt/rollback", fields(page), name=NAME)
    assert production(browser) == 1
    assert again.status == 409
    assert "no version of" in again.text or "since you looked" in again.text


def test_review_label_and_block(browser: Browser) -> None:
    page = browser.get("/prompt", name=NAME, version=3)
    sha256 = fields(page)["sha256"]
    sent = {"verdict": "rejected", "sha256": sha256, "comment": "too long"}
    assert browser.post("/prompt/review", sent, name=NAME, version=3).status == 303
    assert "too long" in browser.get("/prompt", name=NAME, version=3).text
    # Nobody approves what they wrote, and nobody reviews what they did not read.
    assert browser.post("/prompt/review", sent | {"verdict": "approved"}, name=NAME, version=3).status == 409
    other = browser.post("/prompt/review", sent | {"sha256": "0" * 64}, name=NAME, version=3)
    assert "not the content that was read" in other.text

    assert browser.post("/prompt/label", {"label": "next", "version": 2}, name=NAME).status == 303
    assert "next v2" in browser.get("/prompt", name=NAME).text
    assert browser.post("/prompt/label", {"label": "latest", "version": 2}, name=NAME).status == 409
    assert browser.post("/prompt/label", {"label": "next"}, name=NAME).status == 303
    assert "next v2" not in browser.get("/prompt", name=NAME).text

    assert browser.post("/prompt/block", {"block": "true"}, name=NAME).status == 409
    assert browser.post("/prompt/block", {"block": "true", "reason": "wrong"}, name=NAME).status == 303
    assert "No service serves any version" in browser.get("/prompt", name=NAME).text
    # Another block than the one that was looked at stays, and so does its reason.
    looked = fields(browser.get("/prompt/block", name=NAME))
    assert looked["block"] == "false"
    query(browser, "UPDATE prompt_names SET blocked_reason = 'leaks' WHERE name = %s", NAME)
    for sent in (looked, looked | {"block": "true", "reason": "mine"}):
        refused = browser.post("/prompt/block", sent, name=NAME)
        assert (refused.status, "since you looked" in refused.text) == (409, True)
    assert query(browser, "SELECT blocked_reason FROM prompt_names WHERE name = %s", NAME) == [("leaks",)]
    for _ in range(2):
        assert browser.post("/prompt/block", {"block": "false"}, name=NAME).status == 303
    assert query(browser, "SELECT blocked_reason FROM prompt_names WHERE name = %s", NAME) == [(None,)]


def test_discard_takes_exactly_what_was_shown(browser: Browser) -> None:
    page = browser.get("/dead-letters/discard", error_class="unknown_template")
    assert "7 dead letters are discarded" in page.text
    store(browser.database, [letter(body(template_name="unknown"))])
    sent = fields(page)
    assert browser.post("/dead-letters/discard", sent, error_class="unknown_template").status == 400
    done = browser.post("/dead-letters/discard", sent | {"reason": "retired"}, error_class="unknown_template")
    assert done.status == 303
    assert "7 dead letters" in browser.send("GET", done.location).text
    counted = "SELECT status, count(*) FROM dead_letter_events GROUP BY 1 ORDER BY 1"
    assert query(browser, counted) == [("discarded", 7), ("pending", 2)]
    assert query(browser, "SELECT action, by FROM dead_letter_actions") == [("discard", "ada")]
    assert "ada" in browser.get("/audit").text


def test_rejected_feedback_is_looked_at_as_what_it_is(browser: Browser) -> None:
    store(browser.database, [letter(feedback_body(value=2, name="clear"), source=FEEDBACK)])
    page = browser.get("/dead-letters", consumer="feedback")
    links = {html.unescape(each) for each in re.findall(r'href="(/dead-letter[^"]*)"', page.text)}
    found = {each.partition("?")[0]: browser.send("GET", each) for each in links}
    assert found.keys() >= {"/dead-letters/list", "/dead-letters/replay", "/dead-letters/discard"}
    assert {path: answer.status for path, answer in found.items() if answer.status != 200} == {}
    # Its name and value are no texts.
    shown = html.unescape(found["/dead-letter"].text)
    assert '"name": "clear"' in shown
    assert '"value": 2' in shown
    assert "/execution?" not in shown, "no execution has its id"


def test_replay_sends_exactly_what_was_shown(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBSUB_PROJECT_ID", pipeline.topology.project)
    store(pipeline.database, [letter(body()) for _ in range(5)])
    with browsing(pipeline.database, "ada") as browser:
        page = browser.get("/dead-letters/replay", error_class="unknown_template")
        assert "5 would be written" in page.text
        store(pipeline.database, [letter(body())])
        sent = fields(page)
        done = browser.post("/dead-letters/replay", sent, error_class="unknown_template")
        assert "5 events were sent" in done.text
        counted = "SELECT status, count(*) FROM dead_letter_events GROUP BY 1 ORDER BY 1"
        assert query(browser, counted) == [("pending", 1), ("replayed", 5)]
        again = browser.post("/dead-letters/replay", sent, error_class="unknown_template")
        assert "0 events were sent" in again.text
        assert query(browser, counted) == [("pending", 1), ("replayed", 5)]
        # Of more than are sent at once the next ones are asked for, also where the answer is loaded again.
        store(pipeline.database, [letter(body()) for _ in range(3)])
        monkeypatch.setattr("prompt_worker.console.pages.dead_letters.replay.MOST", 2)
        page = browser.get("/dead-letters/replay", error_class="unknown_template")
        assert "the first 2 are sent" in page.text
        for number in (2, 0):
            done = browser.post("/dead-letters/replay", fields(page), error_class="unknown_template")
            assert f"{number} events were sent" in done.text
        assert query(browser, counted) == [("pending", 2), ("replayed", 7)]


def test_replay_without_pubsub_says_which_setting(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PUBSUB_PROJECT_ID", raising=False)
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    sent = fields(browser.get("/dead-letters/replay"))
    answer = browser.post("/dead-letters/replay", sent)
    assert answer.status == 409
    assert "PUBSUB_PROJECT_ID" in answer.text


def test_violation_is_marked_false_and_back(browser: Browser) -> None:
    ((id_,),) = query(browser, "SELECT id::text FROM guardrail_violations LIMIT 1")
    for sent, marked in (({"id": id_}, "ada"), ({"id": id_, "undo": "true"}, None)):
        assert browser.post("/violations", sent).location == "/violations"
        found = query(browser, "SELECT false_positive_by FROM guardrail_violations WHERE id = %s", id_)
        assert found == [(marked,)]
    assert browser.post("/violations", {"id": "0198c0de-0000-7000-8000-00000000ffff"}).status == 404
