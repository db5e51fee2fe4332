"""The Dockerfile without Docker: read, and its COPY and RUN steps followed in a folder, stage after stage.

A stage's files are under `root` while it is followed, at the same place for every stage, since a virtual environment
knows its own path; then they are put aside, and `COPY --from` takes from there.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import string
import subprocess
import sys
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

# Where the Dockerfile writes, and nowhere else: in these paths `root` replaces `/`.
OWN = re.compile(r"(?<![\w./~])/(?=(?:opt|source)\b)")
BASE_PATH = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True)
class Instruction:
    """`COPY --from=build a b`: keyword `COPY`, flags `{"from": "build"}`, text `a b`."""

    keyword: str
    flags: dict[str, str]
    text: str

    @property
    def words(self) -> list[str]:
        return json.loads(self.text) if self.text.startswith("[") else shlex.split(self.text)


@dataclass(frozen=True)
class Stage:
    base: str
    name: str
    instructions: list[Instruction]

    def last(self, keyword: str) -> Instruction:
        return [found for found in self.instructions if found.keyword == keyword][-1]


def read_stages(dockerfile: Path) -> list[Stage]:
    lines = [line for line in dockerfile.read_text().splitlines() if not line.lstrip().startswith("#")]
    stages: list[Stage] = []
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        keyword, text = line.split(maxsplit=1)
        flags = dict(re.findall(r"--([\w-]+)=(\S+)\s", re.match(r"(--\S+\s+)*", text).group()))  # type: ignore[union-attr]
        instruction = Instruction(keyword, flags, re.sub(r"^(--\S+\s+)*", "", text).strip())
        if keyword == "FROM":
            base, *name = re.split(r"\s+AS\s+", instruction.text)
            stages.append(Stage(base, name[0] if name else str(len(stages)), []))
        else:
            stages[-1].instructions.append(instruction)
    return stages


@dataclass
class Image:
    """What following the Dockerfile left: files under `root`, settings of its last stage, `aside` the other stages."""

    root: Path
    aside: Path
    environment: dict[str, str] = field(default_factory=dict)
    entry_point: list[str] = field(default_factory=list)

    def path(self, inside: str) -> Path:
        return Path(OWN.sub(f"{self.root}/", inside))

    def command(self, *arguments: str) -> list[str]:
        """The entry point with arguments, found as the image's PATH finds it."""
        program = shutil.which(self.entry_point[0], path=self.environment["PATH"])
        assert program is not None, f"{self.entry_point[0]} is not on the image's PATH"
        return [program, *self.entry_point[1:], *arguments]

    def run(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """In the image's own environment: nothing of ours is inherited."""
        return subprocess.run(
            self.command(*arguments), env=self.environment | settings, cwd=self.root,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip


def follow(dockerfile: Path, folder: Path, **arguments: str) -> Image:
    """Builds into `folder`, with the build arguments given. A step that fails raises `CalledProcessError`."""
    context = dockerfile.parent
    image = Image(folder / "root", folder / "stages")
    *earlier, last = read_stages(dockerfile)
    for stage in earlier:
        _follow_stage(stage, context, image, arguments)
        image.aside.mkdir(exist_ok=True)
        image.root.rename(image.aside / stage.name)
    _follow_stage(last, context, image, arguments)
    return image


def _follow_stage(stage: Stage, context: Path, image: Image, arguments: dict[str, str]) -> None:
    image.root.mkdir(parents=True)
    image.environment = {"PATH": BASE_PATH}
    known: dict[str, str] = {}
    where = image.root
    for step in stage.instructions:
        match step.keyword:
            case "ARG":
                name, _, default = step.text.partition("=")
                known[name] = arguments.get(name, default)
            case "ENV":
                for assignment in step.words:
                    name, _, value = assignment.partition("=")
                    own = OWN.sub(f"{image.root}/", value)
                    image.environment[name] = string.Template(own).substitute(image.environment | known)
            case "WORKDIR":
                where = image.path(step.text)
                where.mkdir(parents=True, exist_ok=True)
            case "COPY":
                *sources, target = step.words
                taken_from = image.aside / step.flags["from"] if "from" in step.flags else context
                for source in sources:
                    _copy(taken_from, source, target, where, image)
            case "RUN":
                # What pip downloaded before is no part of the result.
                environment = (
                    image.environment | known | {"PIP_NO_CACHE_DIR": "0", "HOME": os.environ["HOME"]}
                )
                command = OWN.sub(f"{image.root}/", step.text)
                subprocess.run(["sh", "-ec", command], env=environment, cwd=where, check=True)
            case "ENTRYPOINT":
                image.entry_point = step.words


def _copy(taken_from: Path, source: str, target: str, where: Path, image: Image) -> None:
    found = taken_from / source.lstrip("/")
    to = where / image.path(target)
    ignored = read_ignored(taken_from / ".dockerignore")
    assert found.exists(), f"COPY {source}: not there"
    assert not is_ignored(source, ignored), f"COPY {source}: .dockerignore leaves it out"
    if found.is_file():
        to = to / found.name if target.endswith("/") else to
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(found, to)
        return
    shutil.copytree(
        found, to, symlinks=True, dirs_exist_ok=True,
        ignore=lambda folder, names: {
            name for name in names if is_ignored(str((Path(folder) / name).relative_to(taken_from)), ignored)
        },
    )  # fmt: skip


def read_ignored(file: Path) -> list[str]:
    """The patterns of a .dockerignore; a folder without one leaves nothing out."""
    lines = file.read_text().splitlines() if file.exists() else []
    return [line for line in lines if line and not line.startswith("#")]


def is_ignored(path: str, patterns: list[str]) -> bool:
    """The last pattern that a path or a folder above it meets decides; `!` takes it in again."""
    ignored = False
    above = [Path(path), *Path(path).parents][:-1]
    for pattern in patterns:
        wanted = pattern.removeprefix("!").removeprefix("**/")
        anywhere = pattern.startswith("**/")
        if any(fnmatch(part.name if anywhere else str(part), wanted) for part in above):
            ignored = not pattern.startswith("!")
    return ignored
