"""What a service serves where an experiment or a rollout runs, and what it records of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from prompt_worker import PromptTemplateService
from prompt_worker.event.execution import ExecutionEvent, parse
from prompt_worker.platform.failures import SettingsError
from prompt_worker.prompts.assignment import Assignment, bucket_of, read_ranges
from prompt_worker.prompts.errors import PromptBlockedError
from prompt_worker.prompts.serving.gauges import ENROLLED
from prompt_worker.publishing.encoding.body import make_body
from tests.support.prompts import RecordingPublisher, write_prompts
from tests.support.registry import EXPERIMENT, FileRegistry, experiment, soon, version

NAME = "tutor/hints"
IDS = [str(UUID(int=at)) for at in range(10)]
RANGES = [[0, 4000, "control"], [4000, 8000, "variant_a"]]
ARMS = {"control": IDS[3], "variant_a": IDS[4]}
VERSIONS = [
    version(NAME, at, f"text {at}", active=at == 3, template_id=IDS[at], translations={"de": f"Text {at}"})
    for at in range(1, 7)
]
# By those ranges and the seed of `experiment`.
CONTROL, VARIANT, OUTSIDE = "user-1", "user-5", "user-7"


def test_units_of_these_tests_are_where_they_should_be() -> None:
    assigned = Assignment(EXPERIMENT, read_ranges(RANGES))
    assert [assigned.arm_of(unit)[1] for unit in (CONTROL, VARIANT, OUTSIDE)] == [
        "control",
        "variant_a",
        None,
    ]


@pytest.fixture
def publisher() -> RecordingPublisher:
    return RecordingPublisher()


@pytest.fixture
def builtin(tmp_path: Path) -> Path:
    return write_prompts(tmp_path / "builtin", {NAME: "built in"})


def put(registry: FileRegistry, *versions: dict[str, Any], about: Any = None, **changes: Any) -> None:
    registry.write(
        *(versions or VERSIONS),
        names={NAME: about or {}},
        experiments=[experiment(NAME, changes.pop("arms", ARMS), changes.pop("ranges", RANGES), **changes)],
    )


def served(prompts: PromptTemplateService, **choice: Any) -> tuple[int, str, str | None, bool]:
    prompt = prompts.get(NAME, **choice)
    assert prompts.get(NAME, **choice) is prompt
    return prompt.version, prompt.reason, prompt.group, prompt.experiment_id is not None


def test_unit_is_served_the_arm_that_it_is_assigned_to(registry: FileRegistry) -> None:
    put(registry)
    prompts = registry.started()
    assigned = Assignment(EXPERIMENT, read_ranges(RANGES))
    wanted = {
        "control": (3, "experiment", "control", True),
        "variant_a": (4, "experiment", "variant_a", True),
        None: (3, "production", None, True),
    }
    for number in range(200):
        assert served(prompts, unit=f"u{number}") == wanted[assigned.arm_of(f"u{number}")[1]]
    prompt = prompts.get(NAME, unit=VARIANT)
    assert (prompt.render().text, prompt.ref, prompt.template_id) == ("text 4", f"{NAME}@4", UUID(IDS[4]))
    assert prompt.experiment_id == UUID(EXPERIMENT)
    assert prompts.get(NAME, unit=VARIANT, language="de-AT").render().text == "Text 4"
    assert served(prompts, unit=VARIANT, language="de-AT") == wanted["variant_a"]
    assert prompts.health().is_healthy


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"unit": CONTROL}, (3, "experiment", "control", CONTROL)),
        ({"unit": VARIANT}, (4, "experiment", "variant_a", VARIANT)),
        ({"user_id": VARIANT}, (4, "experiment", "variant_a", VARIANT)),
        ({"unit": CONTROL, "user_id": VARIANT}, (3, "experiment", "control", CONTROL)),
        ({"unit": OUTSIDE}, (3, "production", None, OUTSIDE)),
        ({}, (3, "production", None, None)),
        ({"unit": ""}, (3, "production", None, None)),
        ({"session_id": VARIANT}, (3, "production", None, None)),
    ],
)
def test_event_says_which_experiment_phase_unit_and_arm(
    registry: FileRegistry, publisher: RecordingPublisher, fields: dict[str, Any], wanted: tuple[Any, ...]
) -> None:
    put(registry, phase=2)
    prompts = registry.started(publisher=publisher)
    with prompts.run(NAME, **fields) as run:
        assert run.text == f"text {wanted[0]}"
    (event,) = publisher.events
    found = (event.template_version, event.selection, event.ab_test_group, event.assignment_unit)
    assert found == wanted
    assert str(event.template_id) == IDS[wanted[0]]
    assert (str(event.experiment_id), event.experiment_phase) == (EXPERIMENT, 2)


def test_session_is_the_unit_where_the_owner_says_so(
    registry: FileRegistry, publisher: RecordingPublisher
) -> None:
    """Also of somebody who is anonymous first, and then a user: the arm stays."""
    put(registry, unit_kind="session")
    prompts = registry.started(publisher=publisher)
    for fields in ({}, {"unit": CONTROL}, {"user_id": OUTSIDE}):
        with prompts.run(NAME, session_id=VARIANT, **fields):
            pass
    with prompts.run(NAME, unit=CONTROL):
        pass
    found = [(event.ab_test_group, event.assignment_unit) for event in publisher.events]
    assert found == [("variant_a", VARIANT)] * 3 + [(None, None)]
    assert served(prompts, session_id=VARIANT, unit=CONTROL) == (4, "experiment", "variant_a", True)
    assert served(prompts, unit=VARIANT) == (3, "production", None, True)


def test_anonymous_call_is_in_no_arm_until_the_user_is_known(
    registry: FileRegistry, publisher: RecordingPublisher
) -> None:
    put(registry)
    prompts = registry.started(publisher=publisher)
    before = dict(ENROLLED)
    for user in (None, None, VARIANT, OUTSIDE):
        with prompts.run(NAME, user_id=user, session_id="s"):
            pass
    assert [event.ab_test_group for event in publisher.events] == [None, None, "variant_a", None]
    counted = {outcome: ENROLLED[outcome] - before[outcome] for outcome in ENROLLED}
    assert counted == {"arm": 1, "outside": 1, "no_unit": 2}


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ({"context": {"tier": "gold"}}, (5, "rule:1")),
        ({"context": {"tester": True}}, (3, "rule:2")),
        ({"label": "beta"}, (6, "label:beta")),
        ({"label": ["gone", "production"]}, (3, "production")),
        ({"version": 4}, (4, "pinned")),
        ({"ref": f"{NAME}@4"}, (4, "pinned")),
        ({"ref": f"{NAME}@4:de"}, (4, "pinned")),
    ],
)
def test_experiment_takes_the_place_of_production_alone(
    registry: FileRegistry, publisher: RecordingPublisher, choice: dict[str, Any], wanted: tuple[int, str]
) -> None:
    rules = [{"when": {"tier": "gold"}, "version": 5}, {"when": {"tester": True}, "label": "production"}]
    put(registry, about={"labels": {"beta": 6}, "rules": rules})
    prompts = registry.started(publisher=publisher)
    assert served(prompts, unit=VARIANT, **choice) == (*wanted, None, False)
    assert served(prompts, unit=VARIANT, context={"tier": "silver"}) == (4, "experiment", "variant_a", True)
    with prompts.run(NAME, unit=VARIANT, **choice):
        pass
    (event,) = publisher.events
    assert (event.experiment_id, event.experiment_phase, event.assignment_unit, event.ab_test_group) == (
        None,
    ) * 4
    assert (event.template_version, event.selection) == wanted


def test_blocked_prompt_is_served_to_no_arm(registry: FileRegistry) -> None:
    put(registry, about={"blocked": "it insults"})
    with pytest.raises(PromptBlockedError):
        registry.started().get(NAME, unit=VARIANT)


def test_deactivated_prompt_is_built_in_and_in_no_experiment(registry: FileRegistry, builtin: Path) -> None:
    put(registry, *[each | {"is_active": False} for each in VERSIONS])
    prompts = registry.started(builtin)
    assert served(prompts, unit=VARIANT) == (1, "builtin:inactive", None, False)
    assert prompts.health().quarantined == {}


def test_experiment_runs_in_its_environment_alone(
    registry: FileRegistry, publisher: RecordingPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(registry, environment="production")
    elsewhere = registry.started(publisher=publisher, environment="staging")
    assert served(elsewhere, unit=VARIANT) == (3, "production", None, False)
    assert served(registry.started(), unit=VARIANT) == (3, "production", None, False)
    monkeypatch.setenv("PROMPT_WORKER_ENVIRONMENT", "production")
    there = registry.started(publisher=publisher)
    assert served(there, unit=VARIANT) == (4, "experiment", "variant_a", True)
    for prompts, fields in (
        (there, {}),
        (there, {"environment": "dev"}),
        (elsewhere, {}),
        (elsewhere, {"environment": "production"}),
    ):
        with prompts.run(NAME, unit=VARIANT, **fields):
            pass
    assert [(event.environment, event.ab_test_group) for event in publisher.events] == [
        ("production", "variant_a"),
        ("dev", None),
        ("staging", None),
        ("production", "variant_a"),
    ]


def test_environment_that_no_event_can_have_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="environment="):
        PromptTemplateService(registry="none", environment="e" * 51)
    monkeypatch.setenv("PROMPT_WORKER_ENVIRONMENT", "e" * 51)
    with pytest.raises(SettingsError, match="PROMPT_WORKER_ENVIRONMENT"):
        PromptTemplateService(registry="none")


def test_rollout_serves_its_canary_and_its_control(
    registry: FileRegistry, publisher: RecordingPublisher
) -> None:
    put(
        registry,
        kind="rollout",
        arms={"control": IDS[3], "canary": IDS[4]},
        ranges=[[0, 4000, "control"], [4000, 10000, "canary"]],
    )
    prompts = registry.started(publisher=publisher)
    assert served(prompts, unit=CONTROL) == (3, "rollout", "control", True)
    assert served(prompts, unit=VARIANT) == (4, "rollout", "canary", True)
    with prompts.run(NAME, unit=VARIANT):
        pass
    assert (publisher.events[0].selection, publisher.events[0].ab_test_group) == ("rollout", "canary")


# --- changes while a service runs ---


def test_arm_without_weight_is_served_to_nobody(registry: FileRegistry) -> None:
    put(registry, ranges=[[0, 10_000, "control"]])
    prompts = registry.started()
    assert {prompts.get(NAME, unit=f"u{number}").group for number in range(200)} == {"control"}
    put(registry, ranges=[])
    soon(lambda: prompts.health().revision == 2)
    assert served(prompts, unit=CONTROL) == (3, "production", None, True)
    assert prompts.health().is_healthy


def test_stopped_experiment_serves_production_and_a_ref_pins_what_was_served(
    registry: FileRegistry, publisher: RecordingPublisher
) -> None:
    put(registry)
    prompts = registry.started(publisher=publisher)
    with prompts.run(NAME, unit=VARIANT) as run:
        ref = run.ref
    registry.write(*VERSIONS)
    soon(lambda: prompts.health().revision == 2)
    assert served(prompts, unit=VARIANT) == (3, "production", None, False)
    with prompts.run(NAME, unit=VARIANT, ref=ref) as run:
        assert run.text == "text 4"
    found = [(event.selection, event.ab_test_group, event.template_version) for event in publisher.events]
    assert found == [("experiment", "variant_a", 4), ("pinned", None, 4)]


def test_arms_that_grow_keep_their_members(registry: FileRegistry) -> None:
    put(registry, ranges=[[0, 500, "control"], [4000, 4500, "variant_a"]])
    prompts = registry.started()
    units = [f"u{number}" for number in range(500)]
    before = {unit: prompts.get(NAME, unit=unit).group for unit in units}
    put(registry, phase=2, ranges=[[0, 4000, "control"], [4000, 9000, "variant_a"]])
    soon(lambda: prompts.health().revision == 2)
    after = {unit: prompts.get(NAME, unit=unit).group for unit in units}
    assert {unit: after[unit] for unit in units if before[unit]} == {
        unit: group for unit, group in before.items() if group
    }
    assert sum(group is not None for group in after.values()) > 6 * sum(
        group is not None for group in before.values()
    )


def test_experiment_is_served_from_the_last_good_file(
    registry: FileRegistry, publisher: RecordingPublisher
) -> None:
    put(registry)
    registry.keep()
    registry.path.unlink()
    prompts = registry.service(publisher=publisher)
    prompts.start()
    soon(lambda: prompts.health().source == "disk")
    with prompts.run(NAME, unit=VARIANT):
        pass
    assert (publisher.events[0].prompt_source, publisher.events[0].ab_test_group) == ("disk", "variant_a")


def test_group_of_a_template_says_nothing_while_an_experiment_assigns(registry: FileRegistry) -> None:
    versions = [each | {"group": "control" if each["version"] == 3 else "variant_a"} for each in VERSIONS]
    put(registry, *versions)
    prompts = registry.started()
    assert prompts.get(NAME, unit=OUTSIDE).group is None
    assert prompts.get(NAME, version=4).group is None
    assert prompts.get(NAME, unit=CONTROL).group == "control"
    registry.write(*versions)
    soon(lambda: prompts.health().revision == 2)
    assert prompts.get(NAME).group == "control"


# --- experiments that cannot be run ---

BROKEN: dict[str, dict[str, Any]] = {
    "arm without a template": {"arms": ARMS | {"variant_a": IDS[9]}},
    "arm of another prompt": {"arms": ARMS | {"variant_a": IDS[8]}},
    "arm that does not compile": {"arms": ARMS | {"variant_a": IDS[7]}},
    "arm that no range may name": {"ranges": [*RANGES, [8000, 9000, "variant_b"]]},
    "overlapping ranges": {"ranges": [[0, 5000, "control"], [4999, 9000, "variant_a"]]},
    "empty range": {"ranges": [[0, 0, "control"], [4000, 8000, "variant_a"]]},
    "range beyond the buckets": {"ranges": [[0, 4000, "control"], [4000, 10001, "variant_a"]]},
    "range before the buckets": {"ranges": [[-1, 4000, "control"]]},
    "ranges of another form": {"ranges": {"control": 50}},
    "unknown kind": {"kind": "bandit"},
    "unknown kind of unit": {"unit_kind": "school"},
    "no phase": {"phase": None, "seed": None, "ranges": None},
    "phase that no event can have": {"phase": 2**31},
    "arms of another form": {"arms": list(ARMS)},
    "arm that no column can hold": {"arms": {**ARMS, "v" * 51: IDS[4]}},
    "no seed": {"seed": ...},
}  # fmt: skip


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_broken_experiment_serves_production_and_is_named(
    registry: FileRegistry, change: dict[str, Any]
) -> None:
    other = "other"
    versions = [
        *VERSIONS,
        version(NAME, 7, "{{ broken", active=False, template_id=IDS[7]),
        version(other, 1, "other 1", template_id=IDS[8]),
    ]
    beside = experiment(other, {"control": IDS[8]}, [[0, 10000, "control"]], name="beside")
    broken = experiment(NAME, **{"arms": ARMS, "ranges": RANGES, **change})
    registry.write(*versions, experiments=[broken, beside, 7])
    prompts = registry.started()
    assert served(prompts, unit=VARIANT) == (3, "production", None, False)
    assert prompts.get(other, unit=VARIANT).reason == "experiment"
    quarantined = prompts.health().quarantined
    assert f"{NAME} experiment wording" in quarantined
    assert quarantined.keys() - {f"{NAME}@7"} == {f"{NAME} experiment wording", "experiment 3"}
    assert prompts.unusable() == len(quarantined)


def test_two_experiments_on_one_prompt_run_neither(registry: FileRegistry) -> None:
    both = [experiment(NAME, ARMS, RANGES, name=name) for name in ("one", "two")]
    registry.write(*VERSIONS, experiments=both)
    prompts = registry.started()
    assert served(prompts, unit=VARIANT) == (3, "production", None, False)
    assert sorted(prompts.health().quarantined) == [f"{NAME} experiment one", f"{NAME} experiment two"]


def test_arm_that_needs_another_variable_than_the_image_declares_is_not_run(
    registry: FileRegistry, builtin: Path
) -> None:
    put(
        registry,
        *VERSIONS[:3],
        version(NAME, 4, "{{ more }}", active=False, template_id=IDS[4], variables=["more"]),
    )
    prompts = registry.started(builtin)
    assert served(prompts, unit=VARIANT) == (3, "production", None, False)
    assert "arm variant_a cannot be served" in prompts.health().quarantined[f"{NAME} experiment wording"]


# --- units ---


@pytest.mark.parametrize(
    ("given", "recorded"),
    [
        ("é" * 300, None),
        ("u" * 300, None),
        ("student-\N{GRINNING FACE}", "student-\N{GRINNING FACE}"),
        ("\ud83d\ude00", "\N{GRINNING FACE}"),
        ("lone \ud800", "lone \ufffd"),
        ("nul \0", "nul \ufffd"),
        (17, "17"),
        (UUID(IDS[5]), IDS[5]),
        (" ", " "),
    ],
)
def test_odd_unit_is_assigned_as_it_is_stored(
    registry: FileRegistry, publisher: RecordingPublisher, given: Any, recorded: str | None
) -> None:
    """Every bucket is of an arm, and each arm of half of them: whoever derives it again finds the same."""
    put(registry, ranges=[[0, 5000, "control"], [5000, 10000, "variant_a"]])
    prompts = registry.started(publisher=publisher)
    with prompts.run(NAME, unit=given):
        pass
    event = stored(publisher.events[0])
    assert event.assignment_unit is not None
    assert recorded in (None, event.assignment_unit)
    assert len(event.assignment_unit.encode()) <= 64
    assigned = "control" if bucket_of(EXPERIMENT, event.assignment_unit) < 5000 else "variant_a"
    assert event.ab_test_group == assigned
    assert prompts.get(NAME, unit=given).group == assigned


@pytest.mark.parametrize("given", [True, 1.5, b"user-1", object(), ["user-1"], 10**100, None])
def test_unit_that_is_none_is_never_drawn(
    registry: FileRegistry, publisher: RecordingPublisher, given: Any
) -> None:
    put(registry)
    prompts = registry.started(publisher=publisher)
    with prompts.run(NAME, unit=given):
        pass
    (event,) = publisher.events
    assert (event.template_version, event.ab_test_group, event.assignment_unit) == (3, None, None)


def stored(event: ExecutionEvent) -> ExecutionEvent:
    """As a worker reads it."""
    return parse(make_body(event)[0])[0]
