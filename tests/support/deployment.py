"""What deploy/, the workflows and the documents say, read as data: Terraform, Cloud Build, shell commands."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import hcl2
from ruamel.yaml import YAML

from tests.support.documents import REPOSITORY, blocks, documents, prompt_worker_commands

TERRAFORM = REPOSITORY / "deploy" / "terraform"
CLOUD_BUILD = REPOSITORY / "deploy" / "cloudbuild.yaml"
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
DEPLOY_README = REPOSITORY / "deploy" / "README.md"
RESTORE = REPOSITORY / "deploy" / "restore.md"
# What step 6 of deploy/README.md publishes, with one of the dates that the shell may put there.
FIRST_EVENT = re.sub(
    r"'\"\$\(date.*?\)\"'",
    "2026-11-23T00:00:00Z",
    re.findall(r"--message='(\{.*?\})'\n", DEPLOY_README.read_text(), re.DOTALL)[0],
).encode()
_BINARIES = {".npz", ".png", ".gz"}


def texts() -> dict[Path, str]:
    """Every file of deploy/, the workflows and the documents."""
    files = [
        path
        for path in (REPOSITORY / "deploy").rglob("*")
        if path.is_file() and {".terraform", "__pycache__"}.isdisjoint(path.parts)
    ]
    read = [path for path in {*files, *WORKFLOWS, *documents()} if path.suffix not in _BINARIES]
    return {path: path.read_text() for path in sorted(read)}


@cache
def terraform(folder: Path = TERRAFORM) -> dict[str, dict[str, Any]]:
    """By address (`google_pubsub_topic.executions`, `local.jobs`, `var.image`): the block as written."""
    found: dict[str, dict[str, Any]] = {}
    for file in sorted(folder.glob("*.tf")):
        with file.open() as opened:
            blocks = _plain(hcl2.load(opened))
        for kind, prefix in (("resource", ""), ("data", "data.")):
            for block in blocks.get(kind, []):
                for name, labelled in block.items():
                    found |= {f"{prefix}{name}.{label}": body for label, body in labelled.items()}
        for kind, prefix in (("variable", "var."), ("module", "module."), ("output", "output.")):
            for block in blocks.get(kind, []):
                found |= {f"{prefix}{name}": body for name, body in block.items()}
        for block in blocks.get("locals", []):
            found |= {f"local.{name}": value for name, value in block.items()}
    return found


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """By label, of the kind `google_pubsub_topic`."""
    return {
        address.partition(".")[2]: block
        for address, block in terraform().items()
        if address.startswith(f"{kind}.")
    }


def _plain(value: Any) -> Any:
    """Without what the parser adds: quotes around strings, marks of blocks and comments."""
    if isinstance(value, dict):
        return {key.strip('"'): _plain(item) for key, item in value.items() if not key.startswith("__")}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value[1:-1] if isinstance(value, str) and value.startswith('"') else value


def read_yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path)


def build_steps() -> list[dict[str, Any]]:
    return list(read_yaml(CLOUD_BUILD)["steps"])


def scripts() -> Iterator[tuple[str, str]]:
    """Where from and what: every shell script inside YAML or a document."""
    for document in (DEPLOY_README, RESTORE):
        for block in blocks(document):
            if block.language == "bash":
                yield block.name, f"#!/usr/bin/env bash\n{block.text}"
    for step in read_yaml(REPOSITORY / ".github/actions/services/action.yml")["runs"]["steps"]:
        if "run" in step:
            yield "services", f"#!/usr/bin/env bash\n{step['run']}"
    for step in build_steps():
        if "script" in step:
            yield f"{CLOUD_BUILD.name} {step['id']}", step["script"]
    for path in WORKFLOWS:
        for job, body in read_yaml(path)["jobs"].items():
            for number, step in enumerate(body.get("steps", [])):
                if "run" in step:
                    yield f"{path.name} {job} {number}", f"#!/usr/bin/env bash\n{step['run']}"


def shellcheck(script: str) -> str:
    """What it finds; nothing when the script is good."""
    # GitHub's own ${{ expressions }} are values by the time a shell sees them.
    plain = re.sub(r"\$\{\{.*?\}\}", "value", script)
    return subprocess.run(
        [Path(sys.executable).with_name("shellcheck"), "-"],
        input=plain,
        capture_output=True,
        text=True,
        check=False,
    ).stdout


def commands() -> Iterator[tuple[str, list[str]]]:
    """Where from and with which arguments: every `prompt-worker` command in a document, a workflow or a deployment."""
    for path, text in texts().items():
        where = str(path.relative_to(REPOSITORY))
        joined = text.replace("\\\n", " ")
        if path.suffix == ".md":
            yield from ((where, found) for block in blocks(path) for found in prompt_worker_commands(block))
        else:
            for line in re.findall(
                r"^\s*(?:.*(?:\||&&|run:|=\S+)[ \t]+)?prompt-worker ([a-z].*)$", joined, re.MULTILINE
            ):
                yield where, re.split(r"\s+[#|>&]|\s{2,}|;", line)[0].split()
        for line in re.findall(r"--args=(\S+)", joined):
            yield where, line.strip('`"').split(",")
    consumers = terraform()["local.consumers"]
    for block, label, names in (
        ("worker_pool", "consumer", consumers),
        ("service", "service", ["executions", "guardrails", "feedback", "registry"]),
    ):
        (containers, *_) = resources(f"google_cloud_run_v2_{block}")[label]["template"][0]["containers"]
        for name in names:
            yield (
                "deploy/terraform",
                [
                    re.sub(r"\$\{each\.(key|value\.account)\}", name, argument)
                    for argument in containers["args"]
                ],
            )
    for job in terraform()["local.jobs"].values():
        yield "deploy/terraform", job["args"]
