"""Terraform's files agree with themselves and with the program: references, settings, secrets, accounts."""

from __future__ import annotations

import pkgutil
import re
import shutil
import subprocess
from importlib import import_module
from typing import Any

import hcl2
import msgspec
import pytest

import prompt_worker
from tests.support.deployment import REPOSITORY, TERRAFORM, terraform, texts

ENVIRONMENTS = sorted((TERRAFORM / "environments").glob("*.tfvars"))
# On the command line.
GIVEN_BY_HAND = {"project"}


def test_every_reference_is_to_something_declared() -> None:
    declared = {".".join(address.split(".")[:2]) for address in terraform()}
    # Data sources have three parts: data.google_project.this.
    declared |= {".".join(address.split(".")[:3]) for address in terraform()}
    for file in TERRAFORM.glob("*.tf"):
        text = re.sub(r"#.*", "", file.read_text())
        used = re.findall(r"(?<![\w./-])((?:local|var|module|data\.google_\w+|google_\w+)\.\w+)", text)
        assert [reference for reference in used if reference not in declared] == [], file.name


def test_environments_give_every_variable_without_a_default() -> None:
    assert [file.stem for file in ENVIRONMENTS] == ["dev", "production", "staging"]
    variables = {address[4:]: block for address, block in terraform().items() if address.startswith("var.")}
    wanted = {name for name, block in variables.items() if "default" not in block} - GIVEN_BY_HAND
    for file in ENVIRONMENTS:
        with file.open() as opened:
            given = {name for name in hcl2.load(opened) if not name.startswith("__")}
        assert wanted <= given <= set(variables), file.name


def declared_settings() -> set[str]:
    """The environment variables that a struct of the program declares."""
    for module in pkgutil.walk_packages(prompt_worker.__path__, "prompt_worker."):
        if not module.name.endswith("__main__") and ".training" not in module.name:
            import_module(module.name)
    groups, found = list(msgspec.Struct.__subclasses__()), set()
    for group in groups:
        groups += group.__subclasses__()
        if group.__module__.startswith("prompt_worker."):
            found |= set(group.__struct_encode_fields__)
    return {name for name in found if name.isupper()}


@pytest.fixture(scope="module")
def settings() -> set[str]:
    return declared_settings()


def templates(kind: str) -> list[dict[str, Any]]:
    """What an instance or an execution is made from; not the autoscaler's."""
    found = []
    for address, block in terraform().items():
        if address.startswith(f"google_cloud_run_v2_{kind}.") and not address.endswith(".scaler"):
            template = block["template"][0]
            found.append(template.get("template", [template])[0])
    return found


def containers(kind: str) -> list[dict[str, Any]]:
    """One of each template: the program's own."""
    return [container for template in templates(kind) for container in template["containers"]]


def test_every_given_setting_is_one_that_the_program_reads(settings: set[str]) -> None:
    files = {path: text for path, text in texts().items() if path.suffix != ".json"}
    named = {
        (str(path.relative_to(REPOSITORY)), name)
        for path, text in files.items()
        for name in re.findall(
            r"\b(?:PROMPT_WORKER|PROMPT_EXECUTIONS|PUBSUB|DATABASE|GUARDRAIL|OTEL)_[A-Z_]*[A-Z]\b", text
        )
    }
    known = settings | {"PROMPT_WORKER_SPOOL"}  # the publisher's, which reads its few without a struct
    assert {(path, name) for path, name in named if name not in known} == set()


def settings_of(container: dict[str, Any]) -> str:
    """What a container is given that is no secret, as Terraform's expression."""
    plain, _ = (block["env"]["for_each"] for block in container["dynamic"] if "env" in block)
    settings = terraform()["local.settings"]
    if plain == "${local.settings[each.value.settings]}":
        return f"{settings['push']} {settings['registry']}"
    kind = re.fullmatch(r"\$\{local\.settings\.(\w+)\}", plain)
    assert kind is not None, f"{plain} is none of local.settings"
    return str(settings[kind[1]])


@pytest.mark.parametrize("kind", ["worker_pool", "service", "job"])
def test_what_runs_has_its_project_its_database_and_secrets(kind: str) -> None:
    for container in containers(kind):
        assert "PUBSUB_PROJECT_ID" in settings_of(container)
        _, secret = (block["env"] for block in container["dynamic"] if "env" in block)
        assert "${local.secrets[" in secret["for_each"]
        assert "secret_key_ref" in str(secret["content"])
    blocks = terraform()
    accounts = [*blocks["local.consumers"], *(job["account"] for job in blocks["local.jobs"].values())]
    for account in accounts:
        assert "DATABASE_URL" in blocks["local.secrets"][account]


def test_secrets_are_references_and_belong_to_their_account() -> None:
    blocks = terraform()
    for account, secrets in blocks["local.secrets"].items():
        assert secrets["DATABASE_URL"] == f"database-url-{account}"
    guarded = {account for account, secrets in blocks["local.secrets"].items() if len(secrets) > 1}
    assert guarded == {"guardrails"}
    # Each reads its own, by the name of the account that it runs as.
    for kind, key in (
        ("worker_pool", "each.key"), ("service", "each.value.account"), ("job", "each.value.account"),
    ):  # fmt: skip
        for template, container in zip(templates(kind), containers(kind), strict=True):
            assert template["service_account"] == f"${{google_service_account.runs[{key}].email}}"
            assert f"${{local.secrets[{key}]}}" in str(container)
    assert not any(address.startswith("google_secret_manager_secret_version") for address in blocks)


def test_account_names_are_valid_and_unique() -> None:
    blocks = terraform()
    single = [
        block["account_id"]
        for address, block in blocks.items()
        if address.startswith("google_service_account.")
    ]
    names = [f"prompt-worker-{account}" for account in blocks["local.secrets"]]
    names += [name for name in single if "${" not in name]
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-z][a-z0-9-]{4,28}[a-z0-9]", name)] == []


def test_probes_ask_the_port_that_the_worker_listens_on() -> None:
    for kind in ("worker_pool", "service"):
        for container in containers(kind):
            if kind == "worker_pool":
                (port,) = re.findall(r'PROMPT_WORKER_PROBE_PORT\W+= "(\d+)"', settings_of(container))
            else:
                port = str(container["ports"][0]["container_port"])
            for probe in ("startup_probe", "liveness_probe"):
                assert container[probe][0]["http_get"] == [{"path": "/healthz", "port": int(port)}]
                assert container[probe][0]["timeout_seconds"] < container[probe][0]["period_seconds"]


def test_terraform_files_are_formatted() -> None:
    """By Terraform itself where it is installed; everywhere: no tab, no space at the end, one newline at the end."""
    for file in [*TERRAFORM.rglob("*.tf"), *ENVIRONMENTS]:
        text = file.read_text()
        assert "\t" not in text
        assert re.search(r" +$", text, re.MULTILINE) is None
        assert text.endswith("}\n")
    if program := shutil.which("terraform"):
        subprocess.run([program, "fmt", "-check", "-recursive", TERRAFORM], check=True, capture_output=True)
