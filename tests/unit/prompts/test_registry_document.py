"""The registry's document: what is read of it, what is refused and how, its hash and its order."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import msgspec
import pytest

from prompt_worker.prompts.registry.document import (
    AnotherRegistryError,
    Document,
    DocumentError,
    Name,
    NewerFormatError,
    OlderDocumentError,
    Position,
    check_order,
    decode,
)
from prompt_worker.prompts.registry.experiment import Experiments
from prompt_worker.prompts.snapshot.incoming import versions
from prompt_worker.prompts.snapshot.snapshot import Snapshot
from tests.support import registry_documents
from tests.support.registry_documents import version

REGISTRY = "0198c0de-0000-7000-8000-000000000001"
CONTENT = {
    "template_text": "Hello {{ name }}",
    "messages": None,
    "variables": ["name"],
    "model_config": {"temperature": 0.2},
    "output_schema": None,
    "translations": {"de": "Hallo {{ name }}"},
}


def document(**changes: Any) -> dict[str, Any]:
    version = {
        "name": "tutor/hints",
        "version": 3,
        "template_id": "0198c0de-0000-7000-8000-0000000000aa",
        "is_active": True,
        "group": None,
        "content_sha256": "a" * 64,
        "content": CONTENT,
    }
    return {
        "format": 1,
        "registry_id": REGISTRY,
        "epoch": 1,
        "revision": 7,
        "made_at": "2026-11-26T08:00:00+00:00",
        "names": {
            "tutor/hints": {
                "category": "tutoring",
                "blocked": None,
                "labels": {"canary": 3},
                "rules": [{"when": {"grade": "8"}, "version": 3}, {"when": {}, "label": "canary"}],
            }
        },
        "versions": [version],
        "experiments": [],
    } | changes


def encoded(**changes: Any) -> bytes:
    return json.dumps(document(**changes)).encode()


def test_document_is_read_as_it_was_written() -> None:
    read = decode(encoded())
    assert read.position == Position(UUID(REGISTRY), 1, 7)
    (version,) = read.versions
    assert (version.name, version.version, version.is_active) == ("tutor/hints", 3, True)
    assert version.read_content().translations == {"de": "Hallo {{ name }}"}
    rules = read.names["tutor/hints"].read_rules()
    assert [(rule.when, rule.version, rule.label) for rule in rules] == [
        ({"grade": "8"}, 3, None),
        ({}, None, "canary"),
    ]
    assert decode(read.encode()) == read
    assert decode(read.encode()).sha256() == read.sha256()


def test_unknown_fields_are_ignored_everywhere() -> None:
    changed = document(later="x")
    changed["names"]["tutor/hints"]["later"] = {"x": 1}
    changed["versions"][0]["later"] = [1]
    changed["versions"][0]["content"] = CONTENT | {"later": 1}
    read = decode(json.dumps(changed).encode())
    assert read.versions[0].read_content().template_text == "Hello {{ name }}"


def test_every_shorter_beginning_of_a_document_is_refused() -> None:
    whole = encoded()
    for length in range(len(whole)):
        with pytest.raises(DocumentError):
            decode(whole[:length])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (b"", "not whole or not JSON"),
        (b"<html>not found</html>", "not whole or not JSON"),
        (b"\xff\xfe", "not whole or not JSON"),
        (b"[]", "is not one: Expected `object`"),
        (b"{}", "`format`"),
        (encoded(format="1"), "format"),
        (encoded(format=0), "no format"),
        (encoded(registry_id="mine"), "registry_id"),
        (encoded(revision=0), "revision"),
        (encoded(epoch=-1), "epoch"),
        (encoded(versions=[{"name": "a"}]), "version"),
        (encoded(versions=document()["versions"] * 2), "tutor/hints@3 twice"),
        (
            encoded(versions=[document()["versions"][0], document()["versions"][0] | {"version": 4}]),
            "two active versions of tutor/hints",
        ),
        (b"[" * 100_000, ""),
    ],
)
def test_what_is_no_document_is_refused_and_says_why(given: bytes, said: str) -> None:
    with pytest.raises(DocumentError) as caught:
        decode(given)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 300


def test_newer_format_says_what_to_update() -> None:
    with pytest.raises(NewerFormatError, match=r"format 2.*update prompt-worker"):
        # Whatever else such a document has.
        decode(b'{"format": 2, "registry_id": 7}')


@pytest.mark.parametrize(
    "content", [None, "x", [], {}, CONTENT | {"variables": "x"}, CONTENT | {"messages": [1]}]
)
def test_content_that_cannot_be_read_spoils_its_version_alone(content: Any) -> None:
    versions = document()["versions"]
    read = decode(encoded(versions=[versions[0], {**versions[0], "name": "b", "content": content}]))
    assert read.versions[0].read_content().variables == ["name"]
    with pytest.raises(DocumentError, match="content cannot be read"):
        read.versions[1].read_content()


@pytest.mark.parametrize(
    "rules", [{}, "x", [1], [{}], [{"when": {}}], [{"when": {}, "version": 1, "label": "x"}], [{"when": 1}]]
)
def test_rules_that_cannot_be_read_spoil_their_name_alone(rules: Any) -> None:
    read = decode(encoded(names={"a": {"rules": rules}, "b": {}}))
    with pytest.raises(DocumentError, match="rules cannot be read"):
        read.names["a"].read_rules()
    assert read.names["b"].read_rules() == []


def test_hash_is_of_the_meaning_and_not_of_the_writing() -> None:
    other_order = {key: document()[key] for key in reversed(document())}
    other_order["versions"][0]["content"] = {key: CONTENT[key] for key in reversed(CONTENT)}
    same = [
        encoded(),
        json.dumps(document(), indent=3).encode(),
        json.dumps(other_order).encode(),
        encoded(made_at="2027-01-01T00:00:00Z"),
    ]
    assert len({decode(each).sha256() for each in same}) == 1
    versions = document()["versions"]
    others = [
        encoded(revision=8),
        encoded(epoch=2),
        encoded(names={}),
        encoded(experiments=[{"id": 1}]),
        encoded(versions=[]),
        encoded(versions=[versions[0] | {"is_active": False}]),
        encoded(versions=[versions[0] | {"content": CONTENT | {"template_text": "Hi {{ name }}"}}]),
    ]
    assert len({decode(each).sha256() for each in [encoded(), *others]}) == len(others) + 1


def at(epoch: int, revision: int, registry: str = REGISTRY) -> Position:
    return Position(UUID(registry), epoch, revision)


@pytest.mark.parametrize("found", [at(1, 7), at(1, 8), at(2, 1), at(2, 9)])
def test_same_or_later_position_is_accepted(found: Position) -> None:
    check_order(found, at(1, 7))
    check_order(found, None)


@pytest.mark.parametrize("found", [at(1, 6), at(1, 1)])
def test_lower_revision_is_refused_and_named(found: Position) -> None:
    with pytest.raises(OlderDocumentError, match="new-epoch"):
        check_order(found, at(1, 7))


def test_lower_epoch_is_refused_whatever_its_revision() -> None:
    with pytest.raises(OlderDocumentError, match="at 1:900 and was at 2:1"):
        check_order(at(1, 900), at(2, 1))


def test_another_registry_is_refused_whatever_its_revision() -> None:
    with pytest.raises(AnotherRegistryError, match="restart the service"):
        check_order(at(9, 9, "0198c0de-0000-7000-8000-000000000002"), at(1, 7))


@pytest.mark.parametrize("number", ["9" * 400, "9" * 5000], ids=["no float", "no integer of Python"])
def test_number_that_only_the_database_can_hold_spoils_nothing_else(number: str) -> None:
    """A draft of an editor, or a rule: else no service followed the registry any more, nor its kill switch."""

    def made(number: str) -> Document:
        content = msgspec.Raw(b'{"template_text": "x", "model_config": {"seed": %s}}' % number.encode())
        odd = msgspec.structs.replace(version("a", "x", 2, is_active=False), content=content)
        rules = msgspec.Raw(b'[{"when": {"grade": {"from": %s}}, "version": 1}]' % number.encode())
        found = registry_documents.document(7, version("a", "served"), odd, version("b", "served, too"))
        return decode(msgspec.structs.replace(found, names={"a": Name(rules=rules)}).encode())

    assert made(number).sha256() == made(number).sha256() != made(number[1:]).sha256()
    snapshot = Snapshot.build(versions(made(number), Experiments()), names=made(number).names)
    assert snapshot.active("a").version == 1
    assert snapshot.active("b").render({}).text == "served, too"
    assert "its rules cannot be read" in snapshot.quarantined["a rules"]
