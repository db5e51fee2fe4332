"""GitHub's workflows ask for few rights, always end, and test what is supported; `make lint` checks their form."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from prompt_worker.local.servers.postgres import OLDEST
from tests.support.deployment import WORKFLOWS, read_yaml, texts
from tests.support.documents import REPOSITORY, documents


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_may_only_read_and_every_job_ends(workflow: Path) -> None:
    read = read_yaml(workflow)
    assert read["permissions"] == {"contents": "read"}
    assert "concurrency" in read
    assert [
        name for name, job in read["jobs"].items() if "timeout-minutes" not in job or "permissions" in job
    ] == []


def test_every_supported_python_and_postgresql_is_tested() -> None:
    runs = read_yaml(REPOSITORY / ".github/workflows/ci.yml")["jobs"]["test"]["strategy"]["matrix"]["include"]
    oldest = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["requires-python"]
    assert [run["python"] for run in runs] == ["3.11", "3.12", "3.13", "3.14"]
    assert oldest == f">={runs[0]['python']}"
    assert {int(run["postgres"]) for run in runs} | {18} == set(range(OLDEST, 19))


def test_summary_waits_for_every_part_of_the_verification() -> None:
    jobs = read_yaml(REPOSITORY / ".github/workflows/verify-prompt-system.yml")["jobs"]
    assert list(jobs) == [
        "verify-schema",
        "test-prompt-operations",
        "test-backwards-compatibility",
        "takeover",
        "performance-benchmark",
        "verify-monitoring",
        "summary",
    ]
    assert jobs["summary"]["needs"] == list(jobs)[:-1]
    assert jobs["summary"]["if"] == "always()"


def test_every_named_file_exists() -> None:
    for path, text in texts().items():
        named = re.findall(r"(?<![\w/.-])(?:tests|worker|schema|deploy)/[\w/.-]+\.(?:py|sh|yaml|sql)\b", text)
        # In capitals: a name that is the reader's to choose.
        fixed = [name for name in named if not re.search(r"[A-Z]{4}", name)]
        assert [name for name in fixed if not (REPOSITORY / name).exists()] == [], path.name


def test_every_named_make_target_exists() -> None:
    targets = set(re.findall(r"^(\w+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    named = {name for path in WORKFLOWS for name in re.findall(r"run: make (\w+)", path.read_text())}
    assert named <= targets


def test_every_link_of_a_document_leads_somewhere() -> None:
    broken = [
        f"{path.relative_to(REPOSITORY)}: {link}"
        for path in documents()
        for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8"))
        if ":" not in link and not leads_somewhere(path, link)
    ]
    assert broken == []


def leads_somewhere(path: Path, link: str) -> bool:
    """A file or a folder that exists, and a heading in it where the link names one."""
    name, _, heading = link.partition("#")
    target = path.parent / name if name else path
    if not target.exists() or not heading:
        return target.exists()
    headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
    return heading in {re.sub(r"[^\w -]", "", found).lower().replace(" ", "-") for found in headings}
