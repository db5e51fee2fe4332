"""The registry as a reader sees it who is restricted to labels."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from prompt_worker.prompts.endpoint.narrowing import narrowed
from prompt_worker.prompts.registry.document import Document, Name
from prompt_worker.prompts.snapshot.snapshot import Snapshot
from prompt_worker.prompts.version import Stored
from tests.support.registry_documents import document, version

VERSIONS = [
    version("hints", "production {% include 'tone' %}", 1),
    version("hints", "staged {% include 'tone' %} {% include 'style@1' %}", 2, is_active=False),
    version("hints", "draft", 3, is_active=False),
    version("tone", "kind", 1),
    version("tone", "rude", 2, is_active=False),
    version("style", "short", 1, is_active=False),
    version("style", "long", 2),
    version("other", "other", 1),
    version("blocked", "blocked", 1),
]
NAMES = {
    "hints": Name(
        category="tutoring",
        labels={"staging": 2, "beta": 3},
        rules=msgspec.Raw(b'[{"when": {"grade": 7}, "version": 3}]'),
    ),
    "blocked": Name(blocked="it gives the answer away"),
}


def whole(**names: Name) -> Document:
    made = document(7, *VERSIONS, experiments=[msgspec.Raw(b"{}")])
    return msgspec.structs.replace(made, names=made.names | NAMES | names)


def seen(found: Document) -> set[tuple[str, int, bool]]:
    return {(each.name, each.version, each.is_active) for each in found.versions}


def stored(found: Document) -> Iterator[Stored]:
    for each in found.versions:
        content = each.read_content()
        yield Stored(
            name=each.name,
            version=each.version,
            content=content,
            sha256=content.sha256,
            is_active=each.is_active,
        )


def test_only_labelled_versions_and_what_they_include_are_seen() -> None:
    found = narrowed(whole(), ("staging",))
    assert seen(found) == {("hints", 2, True), ("tone", 1, True), ("style", 1, False)}
    assert found.names["hints"] == Name(category="tutoring", labels={"staging": 2})
    assert found.experiments == []
    assert (found.position, found.sha256() != whole().sha256()) == (whole().position, True)
    snapshot = Snapshot.build(list(stored(found)), names=found.names)
    assert snapshot.active("hints").render({}).text == "staged kind short"
    assert not snapshot.quarantined


def test_block_reaches_whoever_sees_no_version_of_the_name() -> None:
    found = narrowed(whole(), ("staging",))
    assert found.names["blocked"].blocked == "it gives the answer away"
    assert "other" not in found.names


def test_labelled_fragment_takes_the_place_of_the_one_in_production() -> None:
    found = narrowed(whole(tone=Name(labels={"staging": 2})), ("staging",))
    assert ("tone", 2, True) in seen(found)
    assert ("tone", 1, True) not in seen(found)


def test_first_label_that_a_name_has_decides() -> None:
    assert ("hints", 3, True) in seen(narrowed(whole(), ("gone", "beta", "staging")))
    found = seen(narrowed(whole(), ("staging", "production")))
    assert {("hints", 2, True), ("other", 1, True), ("style", 2, True), ("style", 1, False)} <= found
    assert ("hints", 1, True) not in found


def test_control_of_a_test_is_in_production_where_nothing_else_is() -> None:
    whole = document(
        7, version("page", "{% include 'tone' %}", 1), version("tone", "kind", 3, group="control")
    )
    found = narrowed(whole, ("production",))
    assert seen(found) == {("page", 1, True), ("tone", 3, True)}


def test_content_that_cannot_be_read_spoils_nothing_else() -> None:
    broken = version("broken", "x", 1)
    broken = msgspec.structs.replace(broken, content=msgspec.Raw(b"[]"))
    made = document(7, *VERSIONS, broken)
    made = msgspec.structs.replace(
        made, names=made.names | {"hints": NAMES["hints"], "broken": Name(labels={"staging": 1})}
    )
    assert {("hints", 2, True), ("broken", 1, True)} <= seen(narrowed(made, ("staging",)))
