"""Settings come from the environment, and every wrong one is named, all at once."""

from __future__ import annotations

import pytest

from prompt_worker.platform.failures import SettingsError
from prompt_worker.platform.pubsub.topology import Names
from prompt_worker.platform.settings import (
    ConsumerSettings,
    DatabaseSettings,
    Environment,
    PubSubSettings,
    read,
)


def test_setting_problems_are_all_reported_by_name() -> None:
    environment = Environment(
        {
            "PROMPT_WORKER_BATCH_MESSAGES": "many",
            "PROMPT_WORKER_BATCH_SECONDS": "0",
            "PROMPT_WORKER_BREAKER_RATIO": "1.5",
            "PROMPT_WORKER_LANES": "0",
            "PROMPT_WORKER_OPEN_PULLS": "2",
        }
    )
    for group in (DatabaseSettings, PubSubSettings, ConsumerSettings, Names):
        environment.read(group)
    with pytest.raises(SettingsError) as raised:
        environment.check()
    lines = str(raised.value).splitlines()
    assert [line.split(":")[0].split(" is not set")[0] for line in lines] == [
        "DATABASE_URL",
        "PUBSUB_PROJECT_ID or GOOGLE_CLOUD_PROJECT",
        "PROMPT_WORKER_BATCH_MESSAGES",
        "PROMPT_WORKER_BATCH_SECONDS",
        "PROMPT_WORKER_LANES",
        "PROMPT_WORKER_BREAKER_RATIO",
    ]
    assert raised.value.exit_code == 78


@pytest.mark.parametrize("seconds", ["inf", "nan", "-inf", "1e308"])
def test_seconds_that_nothing_can_wait_for_are_refused(seconds: str) -> None:
    with pytest.raises(SettingsError, match=r"PROMPT_WORKER_PROGRESS_SECONDS: Expected `float`"):
        read(ConsumerSettings, {"PROMPT_WORKER_PROGRESS_SECONDS": seconds})


def test_defaults_apply_where_nothing_is_set() -> None:
    settings = read(ConsumerSettings, {})
    assert settings == ConsumerSettings()
    assert read(Names, {}).writer == "prompt-executions-writer"


def test_given_settings_are_converted() -> None:
    settings = read(
        ConsumerSettings, {"PROMPT_WORKER_BATCH_MESSAGES": "10", "PROMPT_WORKER_BATCH_SECONDS": "1.5"}
    )
    assert (settings.batch_messages, settings.batch_seconds) == (10, 1.5)


def test_project_has_two_names_and_the_first_wins() -> None:
    assert read(PubSubSettings, {"GOOGLE_CLOUD_PROJECT": "b"}).project == "b"
    assert read(PubSubSettings, {"GOOGLE_CLOUD_PROJECT": "b", "PUBSUB_PROJECT_ID": "a"}).project == "a"


@pytest.mark.parametrize(
    ("group", "variables", "problem"),
    [
        (DatabaseSettings, {"DATABASE_URL": ""}, "DATABASE_URL is not set"),
        (
            PubSubSettings,
            {"PUBSUB_PROJECT_ID": ""},
            "PUBSUB_PROJECT_ID or GOOGLE_CLOUD_PROJECT is not set",
        ),
    ],
)
def test_empty_setting_counts_as_not_set(
    group: type[DatabaseSettings], variables: dict[str, str], problem: str
) -> None:
    with pytest.raises(SettingsError, match=problem):
        read(group, variables)


def test_empty_setting_falls_back_to_its_other_name_and_default() -> None:
    assert read(PubSubSettings, {"PUBSUB_PROJECT_ID": "", "GOOGLE_CLOUD_PROJECT": "b"}).project == "b"
    assert read(ConsumerSettings, {"PROMPT_WORKER_LANES": ""}).lanes == ConsumerSettings().lanes


def test_valid_environment_passes() -> None:
    environment = Environment({"DATABASE_URL": "postgresql://h/d", "PUBSUB_PROJECT_ID": "p"})
    assert environment.read(DatabaseSettings).url == "postgresql://h/d"
    assert environment.read(PubSubSettings).emulator_host is None
    environment.check()
