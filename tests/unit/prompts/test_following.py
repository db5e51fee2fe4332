"""A service and its registry over time: order, refusals, quarantine, what is compiled when, and the disk."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from prompt_worker.prompts.errors import UnknownPromptError, VariablesError, VersionGoneError
from prompt_worker.prompts.version import CompiledVersion
from tests.support.prompts import RecordingPublisher, write_prompts
from tests.support.registry import OTHER, FileRegistry, document, soon, version

NAME = "tutor/hints"


def text(prompts: Any, name: str = NAME, **choice: Any) -> str:
    return str(prompts.get(name, **choice).render().text)


# --- order ---


def test_change_is_followed_and_two_changes_appear_together(registry: FileRegistry) -> None:
    registry.write(version("a", 1, "a1"), version("b", 1, 'b1 {% include "a" %}'))
    prompts = registry.started()
    before = prompts.get("b")
    assert (prompts.health().source, prompts.health().revision, prompts.health().epoch) == ("live", 1, 1)
    registry.write(version("a", 2, "a2"), version("b", 1, 'b1 {% include "a" %}'))
    soon(lambda: text(prompts, "b") == "b1 a2")
    assert text(prompts, "a") == "a2"
    assert before.render().text == "b1 a1"
    assert [prompts.get(name).revision for name in "ab"] == [2, 2]


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        ({"revision": 6}, "was at 1:7"),
        ({"epoch": 1, "revision": 900, "registry_id": OTHER}, "not 0198c0de-0000-7000-8000-000000000001"),
        ({"revision": 8, "format": 2}, "format 2"),
        ({"revision": 8, "versions": "none"}, "is not one"),
    ],
)
def test_document_that_must_not_follow_is_refused_and_reported(
    registry: FileRegistry, refused: dict[str, Any], said: str
) -> None:
    registry.write(version(NAME, 1, "right"), revision=7)
    prompts = registry.started()
    registry.put(document(version(NAME, 2, "wrong"), **refused))
    soon(lambda: prompts.health().trouble)
    health = prompts.health()
    assert said in str(health.trouble)
    assert (text(prompts), health.revision, health.is_healthy) == ("right", 7, False)
    registry.write(version(NAME, 3, "next"), revision=9)
    soon(lambda: text(prompts) == "next")
    assert prompts.health().trouble is None


@pytest.mark.parametrize("length", [0, 1, 200, -1])
def test_truncated_document_is_refused_until_it_is_whole(registry: FileRegistry, length: int) -> None:
    registry.write(version(NAME, 1, "right"))
    prompts = registry.started()
    whole = document(version(NAME, 2, "next"), revision=2)
    registry.put(whole[:length])
    soon(lambda: prompts.health().trouble)
    assert "not whole" in str(prompts.health().trouble)
    assert text(prompts) == "right"
    registry.put(whole)
    soon(lambda: text(prompts) == "next")


def test_unknown_fields_and_unreadable_contents_spoil_nothing_else(registry: FileRegistry) -> None:
    broken = version("broken", 1, "x") | {"content": {"template_text": 7}, "later": 1}
    registry.write(version(NAME, 1, "right"), broken, later={"x": 1})
    prompts = registry.started()
    assert text(prompts) == "right"
    assert prompts.health().quarantined.keys() == {"broken"}
    assert "content cannot be read" in prompts.health().quarantined["broken"]
    with pytest.raises(UnknownPromptError, match="quarantined"):
        prompts.get("broken")


def test_new_epoch_after_a_restored_backup_is_followed(registry: FileRegistry) -> None:
    registry.write(version(NAME, 5, "lost"), revision=900)
    prompts = registry.started()
    registry.put(document(version(NAME, 4, "restored"), revision=850))
    soon(lambda: prompts.health().trouble)
    assert "new-epoch" in str(prompts.health().trouble)
    assert text(prompts) == "lost"
    registry.put(document(version(NAME, 4, "restored"), revision=850, epoch=2))
    soon(lambda: text(prompts) == "restored")
    assert (prompts.health().epoch, prompts.health().revision) == (2, 850)


def test_same_revision_with_another_content_is_accepted_and_reported(
    registry: FileRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    registry.write(version(NAME, 1, "one"))
    prompts = registry.started()
    registry.put(document(version(NAME, 1, "changed in place")))
    soon(lambda: text(prompts) == "changed in place")
    assert "another content" in str(prompts.health().irregularity)
    assert "another content" in caplog.text
    assert not prompts.health().is_healthy


def test_same_document_written_again_is_no_change(registry: FileRegistry) -> None:
    registry.write(version(NAME, 1, "one"))
    prompts = registry.started()
    first = prompts.get(NAME)
    registry.put(document(version(NAME, 1, "one"), made_at="2027-01-01T00:00:00Z"))
    soon(lambda: (prompts.health().age_seconds or 1) < 0.02)
    assert prompts.get(NAME) is first
    assert prompts.health().is_healthy


@pytest.mark.parametrize("first", [0, 1])
def test_two_registries_in_one_process_have_each_its_own(
    tmp_path: Path, registry: FileRegistry, first: int
) -> None:
    other = FileRegistry(tmp_path / "other")
    other.folder.mkdir()
    registry.write(version(NAME, 1, "ours"))
    other.write(version(NAME, 1, "theirs"), registry_id=OTHER)
    shared = {"last_good": tmp_path / "shared"}
    made = [registry.service(**shared), other.service(**shared)]
    for service in (made[first], made[1 - first]):
        assert service.start(wait=20)
    assert [text(each) for each in made] == ["ours", "theirs"]
    soon(lambda: len(list((tmp_path / "shared").glob("*.json"))) == 2)
    for each in made:
        each.close()
    registry.path.unlink()
    other.path.unlink()
    again = [registry.service(**shared), other.service(**shared)]
    for service in (again[first], again[1 - first]):
        service.start()
        soon(lambda service=service: service.health().source == "disk")
    assert [text(each) for each in again] == ["ours", "theirs"]
    other.close()


# --- quarantine ---


def test_version_that_does_not_compile_keeps_the_one_before_also_after_a_restart(
    registry: FileRegistry,
) -> None:
    registry.write(version("a", 1, "a1"), version("b", 1, "b1"))
    first = registry.started()
    registry.write(version("a", 2, "{{ broken"), version("b", 2, "b2"))
    soon(lambda: text(first, "b") == "b2")
    assert text(first, "a") == "a1"
    assert first.health().quarantined["a"].startswith("version 2: line 1")
    # As many as there are on this machine, also those that start now.
    soon(lambda: b"b2" in registry.kept()[0].read_bytes())
    for _ in range(3):
        later = registry.started()
        assert (text(later, "a"), text(later, "b")) == ("a1", "b2")
        assert later.get("a").version == 1
        assert later.get("a", ref="a@1").render().text == "a1"
    registry.write(version("a", 3, "a3"), version("b", 2, "b2"))
    soon(lambda: text(first, "a") == "a3")
    assert first.health().is_healthy


def test_broken_label_and_rule_keep_what_they_had(registry: FileRegistry) -> None:
    about = {NAME: {"labels": {"canary": 2}, "rules": [{"when": {"a": 1}, "version": 2}]}}
    registry.write(version(NAME, 1, "one"), version(NAME, 2, "two", active=False), names=about)
    prompts = registry.started()
    about = {NAME: {"labels": {"canary": 3}, "rules": [{"when": {"a": 1}, "version": 3}]}}
    registry.write(
        version(NAME, 1, "one"),
        version(NAME, 2, "two", active=False),
        version(NAME, 3, "{% if %}", active=False),
        names=about,
    )
    soon(lambda: prompts.health().revision == 2)
    assert text(prompts, label="canary") == "two"
    assert text(prompts, context={"a": 1}) == "two"
    assert text(prompts) == "one"
    assert f"{NAME}@3" in prompts.health().quarantined


def test_missing_and_circular_includes_quarantine_their_prompts(registry: FileRegistry) -> None:
    registry.write(
        version("a", 1, '{% include "b" %}'),
        version("b", 1, '{% include "a" %}'),
        version("c", 1, '{% include "none" %}'),
        version("d", 1, '{% include "e@2" %}'),
        version("e", 2, "two", active=False),
        version("e", 3, "three"),
    )
    prompts = registry.started()
    assert prompts.health().quarantined.keys() == {"a", "b", "c"}
    assert text(prompts, "d") == "two"


CONTRACT = """+++
[variables]
question = { type = "string" }
interests = { type = "list", default = [] }
+++
{{ question }}{{ interests | join }}"""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"text": "{{ question }} {{ grade }}"}, "needs grade, which the built-in contract does not declare"),
        ({"text": "{{ interests | join }}"}, "needs interests, which the built-in contract leaves optional"),
        (
            {"text": "{{ question }}", "variables": {"question": {"type": "list"}}},
            "another type of question",
        ),
    ],
)
def test_version_that_requests_would_fail_on_is_quarantined_before_the_first(
    registry: FileRegistry, tmp_path: Path, given: dict[str, Any], said: str
) -> None:
    builtin = write_prompts(tmp_path / "builtin", {NAME: CONTRACT})
    written = given.pop("text")
    registry.write(version(NAME, 2, written, **given))
    prompts = registry.started(builtin)
    assert said in prompts.health().quarantined[NAME]
    prompt = prompts.get(NAME)
    assert (prompt.version, prompt.reason) == (1, "builtin:quarantined")
    assert prompt.render({"question": "q"}).text == "q"
    # Whoever asks for that very one gets it.
    assert prompts.get(NAME, version=2).version == 2
    registry.write(version(NAME, 3, "right {{ question }}"))
    soon(lambda: prompts.get(NAME).version == 3)
    registry.write(version(NAME, 4, written, **given))
    soon(lambda: NAME in prompts.health().quarantined)
    assert prompts.get(NAME).version == 3


def test_version_that_drops_a_variable_of_the_contract_is_served(
    registry: FileRegistry, tmp_path: Path
) -> None:
    builtin = write_prompts(tmp_path / "builtin", {NAME: CONTRACT})
    publisher = RecordingPublisher()
    registry.write(version(NAME, 2, "short {{ question }}", variables=["question"]))
    prompts = registry.started(builtin, publisher=publisher)
    with prompts.run(NAME, {"question": "q", "interests": ["x"]}) as run:
        assert run.text == "short q"
    assert publisher.events[0].input_variables == {"question": "q", "interests": ["x"]}
    with pytest.raises(VariablesError, match="unexpected: other"):
        prompts.get(NAME).render({"question": "q", "other": 1})


# --- what is compiled when ---


def test_only_what_is_served_is_compiled_and_old_versions_when_asked_for(
    registry: FileRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[tuple[str, int]] = []
    original = CompiledVersion.__init__

    def counted(self: CompiledVersion, stored: Any, *given: Any, **named: Any) -> None:
        compiled.append((stored.name, stored.version))
        original(self, stored, *given, **named)

    monkeypatch.setattr(CompiledVersion, "__init__", counted)
    versions = [version(NAME, at, f"text {at}", active=at == 20) for at in range(1, 21)]
    versions[4] = version(NAME, 5, "{{ broken", active=False)
    names = {NAME: {"labels": {"canary": 19}, "rules": [{"when": {"a": 1}, "version": 18}]}}
    registry.write(*versions, names=names)
    prompts = registry.started()
    assert sorted(compiled) == [(NAME, 18), (NAME, 19), (NAME, 20)]
    assert prompts.health().is_healthy
    assert text(prompts, version=3) == "text 3"
    assert text(prompts, version=3) == "text 3"
    assert compiled[3:] == [(NAME, 3)]
    with pytest.raises(VersionGoneError, match="no version 5 that can be used: line 1"):
        prompts.get(NAME, version=5)
    del compiled[:]
    registry.write(*versions, version("new", 1, "new"), names=names)
    soon(lambda: prompts.health().revision == 2)
    assert compiled == [("new", 1)]
    assert text(prompts, version=3) == "text 3"
    assert compiled == [("new", 1)]


# --- the disk ---


def test_service_starts_from_the_disk_while_its_registry_is_gone(
    registry: FileRegistry, tmp_path: Path
) -> None:
    publisher = RecordingPublisher()
    registry.write(version(NAME, 3, "live"), revision=5)
    registry.keep()
    (path,) = registry.kept()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.name.endswith(f".{os.geteuid()}.json")
    registry.path.rename(tmp_path / "aside")
    prompts = registry.service(publisher=publisher)
    assert prompts.start(wait=0.05) is False
    soon(lambda: prompts.health().source == "disk")
    with prompts.run(NAME):
        pass
    prompt = prompts.get(NAME)
    assert (prompt.source, prompt.version, prompt.revision, prompt.reason) == ("disk", 3, 5, "production")
    assert 0 < (prompt.age_seconds or 0) < 60
    assert (publisher.events[0].template_version, publisher.events[0].content_sha256) == (
        3,
        prompt.content_sha256,
    )
    (tmp_path / "aside").rename(registry.path)
    soon(lambda: prompts.get(NAME).source == "live")
    assert prompts.start(wait=1)
    # Older than what the disk had: a backup without a new epoch.
    registry.put(document(version(NAME, 2, "restored"), revision=4))
    again = registry.service()
    again.start(wait=0.2)
    soon(lambda: again.health().trouble)
    assert "new-epoch" in str(again.health().trouble)
    assert text(again) == "live"


def test_address_that_leads_to_another_registry_now_is_followed_after_a_restart(
    registry: FileRegistry, tmp_path: Path
) -> None:
    registry.write(version(NAME, 1, "ours"), revision=9)
    registry.keep()
    registry.put(document(version(NAME, 1, "made again"), registry_id=OTHER))
    prompts = registry.started()
    assert text(prompts) == "made again"
    assert "another registry" in str(prompts.health().irregularity)
    soon(lambda: [OTHER in path.name for path in registry.kept()] == [True])


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "noise", "later", "open", "link", "folder"])
def test_damaged_file_is_passed_over(registry: FileRegistry, tmp_path: Path, damage: str) -> None:
    builtin = write_prompts(tmp_path / "builtin", {NAME: "built in"})
    registry.write(version(NAME, 3, "live"))
    registry.keep()
    (path,) = registry.kept()
    content = path.read_bytes()
    if damage == "open":
        path.chmod(0o666)
    elif damage == "link":
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
    elif damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(
            {
                "cut": content[:-40],
                "changed": content.replace(b"live", b"evil"),
                "empty": b"",
                "noise": b"\xff\x00" * 500,
                "later": content.replace(b'"format":1', b'"format":2', 1),
            }[damage]
        )
    registry.path.unlink()
    prompts = registry.service(builtin)
    prompts.start(wait=0.3)
    prompt = prompts.get(NAME)
    assert (prompt.source, prompt.reason) == ("builtin", "builtin:unavailable")
    # And the next good one is kept, whatever was there.
    registry.write(version(NAME, 4, "again"), revision=9)
    soon(lambda: prompts.get(NAME).source == "live")


def test_newest_readable_file_is_used_where_a_newer_one_is_damaged(
    registry: FileRegistry, tmp_path: Path
) -> None:
    registry.write(version(NAME, 3, "live"))
    registry.keep()
    (path,) = registry.kept()
    newer = path.with_name(path.name.replace("0198c0de-0000-7000-8000-000000000001", OTHER))
    newer.write_bytes(b"torn")
    registry.path.unlink()
    prompts = registry.service()
    prompts.start(wait=0.2)
    soon(lambda: prompts.health().source == "disk")
    assert text(prompts) == "live"


def test_folder_is_shared_by_services_of_two_users(
    registry: FileRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user's file is neither read nor touched. Needs root, as the tests of a container have."""
    if os.geteuid() != 0:
        pytest.fail("run it as root, or in the container of the tests")
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    registry.write(version(NAME, 1, "of root"))
    registry.keep(shared)
    (ours,) = shared.glob("*.json")
    planted = shared / ours.name
    os.chown(planted, 65534, 65534)
    registry.path.unlink()
    prompts = registry.service(last_good=shared)
    prompts.start(wait=0.2)
    assert prompts.health().source == "builtin"
    (tmp_path / "x").touch()
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    other = registry.service(last_good=shared)
    other.start()
    # What is named for that user is his.
    assert not list(shared.glob("*.65534.json"))
    monkeypatch.undo()
    assert planted.stat().st_uid == 65534


def test_service_without_a_folder_for_it_keeps_nothing(registry: FileRegistry, tmp_path: Path) -> None:
    registry.write(version(NAME, 1, "live"))
    prompts = registry.started(last_good="none")
    assert text(prompts) == "live"
    assert registry.kept() == []


def test_folder_that_cannot_be_written_costs_the_file_alone(
    registry: FileRegistry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    registry.write(version(NAME, 1, "live"))
    prompts = registry.started(last_good=tmp_path / "file" / "folder")
    registry.write(version(NAME, 2, "next"))
    soon(lambda: text(prompts) == "next")
    soon(lambda: "cannot keep the last good prompts" in caplog.text)
    assert caplog.text.count("cannot keep the last good prompts") == 1


def test_health_holds_no_text_of_a_prompt(registry: FileRegistry) -> None:
    registry.write(version(NAME, 1, "{{ secret words"), version("b", 1, "x") | {"content": {"secret": 1}})
    prompts = registry.started()
    assert "secret" not in repr(prompts.health())
    assert json.loads(json.dumps(prompts.health().quarantined)).keys() == {NAME, "b"}
