"""Getting a prompt and filling it in, here and by the clients of others: each from its cache, one after the other.

The others are installed into an environment that is thrown away, where the package index has them; no server is asked.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from prompt_worker import PromptTemplateService
from tests.benchmarks import client_call
from tests.benchmarks.stage import Report
from tests.benchmarks.table import Row, times
from tests.support.registry import document, version

# The client, and the package that has it.
CLIENTS = {"langfuse": "langfuse", "mlflow": "mlflow-skinny"}
# Their usage reports are off: that would be measured too.
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "LANGFUSE_TRACING_ENABLED": "false"}
TURNS = 3
INSTALL_SECONDS, CALL_SECONDS = 600, 120
# What all of them can write: places for texts. With the values it is a page, as retrieved material is.
TEXT = (
    "Write an educational script.\n\nTopics: {{topics}}\nMaterial:\n{{material}}\n\nIt is for {{grade}} and takes "
    "{{seconds}} seconds. The student likes {{interests}}.\n" + "Explain each step before the next one. " * 20
)
VARIABLES = {
    "topics": "photosynthesis, light, chlorophyll",
    "material": "Plants turn light, water and carbon dioxide into sugar and oxygen. " * 40,
    "grade": "grade 8",
    "seconds": "90",
    "interests": "football, game design",
}


class Measured(msgspec.Struct):
    """Microseconds a call; `text` is what came out."""

    p50: float
    p99: float
    text: str


class NotInstalledError(Exception):
    """Says why."""


def measure(report: Report) -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="clients-") as folder:
        for client, package in CLIENTS.items():
            report(f"the cache of {package}")
            try:
                python, installed = install(Path(folder, client), package)
            except NotInstalledError as error:
                yield Row(
                    f"get and render against {package}'s cached get and fill in", f"not measured: {error}"
                )
                continue
            yield compare(client, installed, python)


def compare(client: str, installed: str, python: Path) -> Row:
    """Turns of both, one after the other."""
    turns = [(_ours(), _theirs(client, python)) for _ in range(TURNS)]
    for ours, theirs in turns:
        if ours.text != theirs.text:
            raise AssertionError(f"{installed} makes another text of it")
    ours_p50, ours_p99, their_p50, their_p99 = (
        median(getattr(turn[side], part) for turn in turns) for side in (0, 1) for part in ("p50", "p99")
    )
    return Row(
        f"get and render of a text with five places, {len(turns[0][0].text):,} characters when filled in, from memory; "
        f"and the same by {installed} from its cache, without a server",
        f"p50 {ours_p50:.1f} µs; {installed.partition(' ')[0]} {their_p50:.1f} µs ({times(their_p50 / ours_p50)})",
        "ahead of it",
        ours_p50 <= their_p50,
        {"p50_us": ours_p50, "p99_us": ours_p99, "their_p50_us": their_p50, "their_p99_us": their_p99},
    )


def install(folder: Path, package: str) -> tuple[Path, str]:
    """The Python that has it, and its name with its version. Raises `NotInstalledError`."""
    python = folder / "bin" / "python"
    pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-input", package]
    for command in ([sys.executable, "-m", "venv", str(folder)], [str(python), *pip]):
        try:
            ran = subprocess.run(
                command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise NotInstalledError(f"not installed within {INSTALL_SECONDS} s") from None
        if ran.returncode:
            raise NotInstalledError("it cannot be installed from the package index here")
    said = subprocess.run(
        [python, "-c", f"from importlib.metadata import version; print(version({package!r}))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return python, f"{package} {said.stdout.strip()}"


def _theirs(client: str, python: Path) -> Measured:
    return _ran([str(python), client_call.__file__, client], {"text": TEXT, "variables": VARIABLES})


def _ran(command: list[str], task: dict[str, Any]) -> Measured:
    ran = subprocess.run(
        command,
        input=json.dumps(task),
        capture_output=True,
        text=True,
        timeout=CALL_SECONDS,
        check=True,
        env=os.environ | QUIET,
    )
    return msgspec.json.decode(ran.stdout.splitlines()[-1], type=Measured)


def _ours() -> Measured:
    """Of a live registry, in this process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "registry.json")
        path.write_bytes(document(version(client_call.NAME, 1, TEXT, variables=list(VARIABLES))))
        prompts = PromptTemplateService(registry=f"file://{path}", last_good="none")
        prompts.start(wait=30)
        try:
            return msgspec.convert(
                client_call.measure(lambda: prompts.get(client_call.NAME).render(VARIABLES).text or ""),
                Measured,
            )
        finally:
            prompts.close()
