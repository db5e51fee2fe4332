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
GIVEN_BY_HAND = {"project", "image"}  # on the command line


def test_every_reference_leads_to_something_declared() -> None:
    declared = {".".join(address.split(".")[:2]) for address in terraform()}
    declared |= {".".join(address.split(".")[:3]) for address in terraform()}  # data.google_project.this
    for file in TERRAFORM.glob("*.tf"):
        text = re.sub(r"#.*", "", file.read_text())
        used = re.findall(r"(?<![\w./-])((?:local|var|module|data\.google_\w+|google_\w+)\.\w+)", text)
        assert [reference for reference in used if reference not in declared] == [], file.name


def test_dev_staging_and_production_give_every_variable_that_has_no_default() -> None:
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
            found |= {setting.encode_name for setting in msgspec.structs.fields(group)}
    return {name for name in found if name.isupper()}


@pytest.fixture(scope="module")
def settings() -> set[str]:
    return declared_settings()


def containers(kind: str) -> list[dict[str, Any]]:
    found = []
    for address, block in terraform().items():
        if address.startswith(f"google_cloud_run_v2_{kind}.") and not address.endswith(".scaler"):
            template = block["template"][0]
            found += template.get("template", [template])[0]["containers"]
    return found


def test_every_setting_that_is_given_is_one_that_the_program_reads(settings: set[str]) -> None:
    files = {path: text for path, text in texts().items() if path.suffix != ".json"}
    named = {
        (str(path.relative_to(REPOSITORY)), name)
        for path, text in files.items()
        for name in re.findall(
            r"\b(?:PROMPT_WORKER|PROMPT_EXECUTIONS|PUBSUB|DATABASE|GUARDRAIL|OTEL)_[A-Z_]*[A-Z]\b", text
        )
    }
    known = settings | {"PROMPT_WORKER_SPOOL"}  # the publisher's, which reads its few by itself
    assert {(path, name) for path, name in named if name not in known} == set()


@pytest.mark.parametrize("kind", ["worker_pool", "service", "job"])
def test_what_runs_has_its_project_its_database_and_its_secrets(kind: str) -> None:
    for container in containers(kind):
        written = str(container) + str(terraform()["local.settings"])
        assert "PUBSUB_PROJECT_ID" in written
        assert "secret_key_ref" in written
    for consumer in terraform()["local.consumers"].values():
        assert "DATABASE_URL" in consumer["secrets"]


def test_secrets_are_references_and_belong_to_the_account_that_reads_them() -> None:
    blocks = terraform()
    accounts = blocks["local.accounts"]
    for name, consumer in blocks["local.consumers"].items():
        assert set(consumer["secrets"].values()) == set(accounts[name])
    for job in blocks["local.jobs"].values():
        assert accounts[job["account"]] == [f"database-url-{job['account']}"]
    assert not any(address.startswith("google_secret_manager_secret_version") for address in blocks)


def test_accounts_have_names_that_google_takes_and_none_shares_one() -> None:
    blocks = terraform()
    single = [
        block["account_id"]
        for address, block in blocks.items()
        if address.startswith("google_service_account.")
    ]
    names = [f"prompt-worker-{account}" for account in blocks["local.accounts"]]
    names += [name for name in single if "${" not in name]
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-z][a-z0-9-]{4,28}[a-z0-9]", name)] == []


def test_probes_ask_the_port_that_the_worker_is_told() -> None:
    for kind in ("worker_pool", "service"):
        for container in containers(kind):
            text = str(container)
            (port,) = re.findall(r'PROMPT_WORKER_PROBE_PORT = "(\d+)"', text) or [
                str(container["ports"][0]["container_port"])
            ]
            for probe in ("startup_probe", "liveness_probe"):
                assert container[probe][0]["http_get"] == [{"path": "/healthz", "port": int(port)}]
                assert container[probe][0]["timeout_seconds"] < container[probe][0]["period_seconds"]


def test_files_are_formatted() -> None:
    """By Terraform itself where it is installed; everywhere: no tab, no space at the end, one newline at the end."""
    for file in [*TERRAFORM.rglob("*.tf"), *ENVIRONMENTS]:
        text = file.read_text()
        assert "\t" not in text
        assert re.search(r" +$", text, re.MULTILINE) is None
        assert text.endswith("}\n")
    if program := shutil.which("terraform"):
        subprocess.run([program, "fmt", "-check", "-recursive", TERRAFORM], check=True, capture_output=True)
