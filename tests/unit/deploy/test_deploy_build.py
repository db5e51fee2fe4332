"""Cloud Build's steps follow one another, what is deployed is what was pushed, and every name exists."""

from __future__ import annotations

import os
import re
import shlex

import pytest

from tests.support.deployment import (
    CLOUD_BUILD,
    REPOSITORY,
    build_steps,
    read_yaml,
    resources,
    scripts,
    shellcheck,
    terraform,
    texts,
)

SERVICES = {
    "prompt-worker-push-executions",
    "prompt-worker-push-guardrails",
    "prompt-worker-push-feedback",
    "prompt-worker-registry",
}
ORDER = ["build", "push", "migrate", "verify", "deploy", "check", "clean-up"]


def test_each_build_step_waits_for_the_one_before() -> None:
    steps = build_steps()
    assert [step["id"] for step in steps] == ORDER
    assert "waitFor" not in steps[0]
    assert [step["waitFor"] for step in steps[1:]] == [[name] for name in ORDER[:-1]]


def test_deployed_image_is_the_one_built_and_pushed() -> None:
    build, push, *others = build_steps()
    assert build["args"][build["args"].index("--tag") + 1] == "${_IMAGE}"
    assert build["args"][-1] == "."  # the context: the Dockerfile and what it copies lie at the top
    assert push["args"] == ["push", "${_IMAGE}"]
    for step in others:
        for image in re.findall(r"--image=(\S+)|deploy\.sh (\S+)", step["script"]):
            assert {'"$_IMAGE"', ""} == set(image) | {""}
    deployed = re.findall(r"--image=(\S+)", (REPOSITORY / "deploy" / "deploy.sh").read_text())
    assert set(deployed) == {'"$image"'}
    assert read_yaml(CLOUD_BUILD)["options"] | {"logging": ""} == {
        "dynamicSubstitutions": True, "automapSubstitutions": True, "logging": "",
    }  # fmt: skip


def test_build_arguments_are_the_dockerfiles() -> None:
    arguments = build_steps()[0]["args"]
    given = [
        arguments[place + 1].partition("=")[0]
        for place, word in enumerate(arguments)
        if word == "--build-arg"
    ]
    declared = re.findall(r"^ARG (\w+)", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE)
    assert set(given) <= set(declared)


def test_every_execution_of_a_job_is_waited_for() -> None:
    executions = [
        line
        for _, script in scripts()
        for line in script.replace("\\\n", " ").splitlines()
        if "jobs execute" in line
    ]
    assert executions
    assert [line for line in executions if "--wait" not in shlex.split(line)] == []


@pytest.mark.parametrize("name", [name for name, _ in scripts()])
def test_scripts_inside_other_files_pass_shellcheck(name: str) -> None:
    assert shellcheck(dict(scripts())[name]) == ""


def test_called_scripts_exist_and_are_executable() -> None:
    called = {
        path
        for text in texts().values()
        for path in re.findall(r"(?<![\w/.])(?:deploy|\.ci)/[\w-]+\.sh", text)
    }
    assert called == {"deploy/deploy.sh"}
    assert all(os.access(REPOSITORY / path, os.X_OK) for path in called)


def made_by_terraform() -> set[str]:
    """The names of what runs, and of the accounts, secrets and the rest that begin with the program's name."""
    blocks = terraform()
    names = {
        *(
            f"prompt-worker-{name}"
            for name in [*blocks["local.consumers"], *blocks["local.jobs"], *blocks["local.secrets"]]
        ),
        *SERVICES,
        *(
            f"prompt-worker-{secret}"
            for secrets in blocks["local.secrets"].values()
            for secret in secrets.values()
        ),
    }
    for kind in ("service_account", "cloud_run_v2_service", "parameter_manager_parameter"):
        for block in resources(f"google_{kind}").values():
            names |= {block.get(key, "") for key in ("account_id", "name", "parameter_id")}
    return {name for name in names if "${" not in name}


def test_every_resource_name_is_one_terraform_makes() -> None:
    for path, text in texts().items():
        if path.suffix in {".yaml", ".sh", ".md", ".yml"}:
            used = set(re.findall(r"(?<![\w/.-])prompt-worker-[a-z][a-z-]*[a-z](?![\w-])", text))
            assert used - made_by_terraform() == set(), path.name


def test_deploy_sh_updates_all_that_terraform_makes() -> None:
    text = (REPOSITORY / "deploy" / "deploy.sh").read_text()
    loops = re.findall(r"for (\w+) in ([^;]+); do\s+gcloud run ([\w-]+ \w+) \"([\w-]+)\$", text)
    deployed = {f"{prefix}{name}" for _, names, _, prefix in loops for name in names.split()}
    # `worker-pools update` with the image that a pool has makes no revision: a restart would start nothing.
    assert {command for _, _, command, _ in loops} == {
        "worker-pools deploy",
        "services update",
        "jobs update",
    }
    blocks = terraform()
    wanted = {f"prompt-worker-{name}" for name in [*blocks["local.consumers"], *blocks["local.jobs"]]}
    wanted |= SERVICES
    # Cloud Build gave these two the image already, before it ran them.
    assert wanted - deployed == {"prompt-worker-migrate", "prompt-worker-verify"}
