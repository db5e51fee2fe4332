"""gcloud itself accepts each of its commands that deploy/ and its README give: the groups, the flags, their values.

Not run here: what Google answers.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.deployment import REPOSITORY, scripts

# Newer than the gcloud 528 that some machines have; a newer one checks all.
NEWER = {"gcloud run worker-pools": "gcloud beta run worker-pools", "gcloud sql users assign-roles": None}
NEWER_SINCE = 572


def commands() -> list[str]:
    """Each once, a value for every variable of the shell."""
    written = [*scripts(), ("deploy.sh", (REPOSITORY / "deploy" / "deploy.sh").read_text())]
    found = []
    for _, script in written:
        joined = re.sub(r"--message='.*?'\n", "--message=x\n", script.replace("\\\n", " "), flags=re.DOTALL)
        for line in joined.splitlines():
            command = re.search(r"(?<![\w`'\"-])gcloud (?!-)[a-z].*", line.split(" #")[0])
            if command and not line.lstrip().startswith("#"):
                at = re.sub(r"\$(AT|SINCE)\b", "2026-11-23T08:00:00Z", command[0].strip().removesuffix("|"))
                plain = re.sub(r"\$\{?\w+(%:\*)?\}?", "x", at)
                # The end of `NAME=$(gcloud …)`.
                found.append(re.sub(r"\)( && export \w+)?$", "", plain))
    return list(dict.fromkeys(found))


@pytest.mark.needs("gcloud")
def test_gcloud_accepts_every_command(tmp_path: Path) -> None:
    version = json.loads(
        subprocess.run(["gcloud", "version", "--format=json"], capture_output=True, check=True).stdout
    )["Google Cloud SDK"]
    checked, left = [], []
    for command in commands():
        newer = next((group for group in NEWER if command.startswith(group)), None)
        if newer is None or int(version.partition(".")[0]) >= NEWER_SINCE:
            checked.append(command)
        elif (older := NEWER[newer]) is not None:
            checked.append(command.replace(newer, older, 1))
        else:
            left.append(command)
    assert len(checked) > 25
    assert len(left) <= 1
    file = tmp_path / "commands.json"
    file.write_text(json.dumps([{"command_string": command} for command in checked]))
    answered = subprocess.run(
        ["gcloud", "meta", "lint-gcloud-commands", f"--commands-file={file}"], capture_output=True, check=True
    ).stdout
    refused = [
        (answer["command_string"], answer["error_message"])
        for answer in json.loads(answered)
        if not answer["success"]
    ]
    assert refused == []
