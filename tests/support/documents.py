"""The documents of the repository, and the examples in them: every fenced or indented block, with its language."""

from __future__ import annotations

import re
import shlex
import subprocess
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
SHELLS = {"sh", "bash", "console", ""}
_FENCED = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE
)
_INDENTED = re.compile(r"(?<=\n\n)(?: {4}.*\n|\n(?= {4}))+")
_COMMAND = re.compile(r"^\s*(?:\$ |.*(?:\||&&|=\S+)[ \t]+)?prompt-worker ([a-z].*)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One example. `line` is where its text begins in the document."""

    document: str
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.document}:{self.line}"


@cache
def documents() -> list[Path]:
    """Every Markdown file that git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [path for name in sorted(listed.stdout.splitlines()) if (path := REPOSITORY / name).exists()]


def blocks(path: Path) -> Iterator[Block]:
    """In their order; an indented block has no language."""
    text, document = path.read_text(encoding="utf-8"), str(path.relative_to(REPOSITORY))
    for found in _FENCED.finditer(text):
        line = text.count("\n", 0, found.start("text")) + 1
        yield Block(document, line, found["language"], textwrap.dedent(found["text"]))
    # Nothing of a fenced block is an indented one: blanked, so that line numbers stay.
    rest = _FENCED.sub(lambda found: re.sub(r".", "", found[0]), text)
    for found in _INDENTED.finditer(rest):
        yield Block(document, rest.count("\n", 0, found.start()) + 1, "", textwrap.dedent(found[0]))


def examples(language: str) -> list[Block]:
    """Those of one language in every document."""
    return [block for path in documents() for block in blocks(path) if block.language == language]


def prompt_worker_commands(block: Block) -> list[list[str]]:
    """The arguments of each `prompt-worker` command of a shell's block; others have none."""
    if block.language not in SHELLS:
        return []
    joined = block.text.replace("\\\n", " ")
    return [_arguments(line) for line in _COMMAND.findall(joined)]


def _arguments(line: str) -> list[str]:
    """Without what a shell does with it: a comment, a pipe, a redirection, the next command."""
    return shlex.split(re.split(r"\s+[|>&<]|\s+#|;", line)[0])
