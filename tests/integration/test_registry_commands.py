"""`prompt-worker registry show|export`: what services are given; a document is replaced whole or not at all."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from prompt_worker.prompts.registry.document import decode
from tests.support.http_server import Handler, HttpServer
from tests.support.pipeline import Pipeline

pytestmark = pytest.mark.embedded_only

Command = Callable[..., str]


class Bucket(HttpServer):
    """Cloud Storage's API as far as an export uses it, with generations; `refuses` is a status for every upload."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[int, bytes]] = {}
        self.refuses: int | None = None
        self.between: Callable[[], object] = lambda: None
        super().__init__(self._handler())

    def put(self, name: str, content: bytes) -> None:
        generation, _ = self.objects.get(name, (0, b""))
        self.objects[name] = generation + 1, content

    def _handler(bucket) -> type[Handler]:  # noqa: N805 - self is the handler's
        class Objects(Handler):
            def get(self) -> None:
                name = unquote(urlsplit(self.path).path.rpartition("/o/")[2])
                generation, content = bucket.objects.get(name, (0, b""))
                self._answer(200 if generation else 404, content, generation)
                bucket.between()

            def post(self) -> None:
                content = self.body()
                query = parse_qs(urlsplit(self.path).query)
                [name] = query["name"]
                generation, _ = bucket.objects.get(name, (0, b""))
                expected = query.get("ifGenerationMatch", [str(generation)])
                if bucket.refuses:
                    self._answer(bucket.refuses, b"", 0)
                elif expected != [str(generation)]:
                    self._answer(412, b"", 0)
                else:
                    bucket.put(name, content)
                    self._answer(200, b"{}", 0)

            def _answer(self, status: int, content: bytes, generation: int) -> None:
                self.reply(content, status, **({"x-goog-generation": str(generation)} if generation else {}))

        return Objects


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    with Bucket() as opened:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", opened.host)
        yield opened


def release(pipeline: Pipeline) -> None:
    pipeline.query(
        "INSERT INTO prompt_templates (name, version, template_text, is_active) "
        "VALUES ('tutor/hints', NULL, 'Hi', true)"
    )


def test_show_lists_what_services_are_given(prompt_worker: Command, pipeline: Pipeline) -> None:
    release(pipeline)
    release(pipeline)
    pipeline.query(
        "INSERT INTO prompt_labels (name, label, template_id) "
        "SELECT name, 'staging', id FROM prompt_templates WHERE name = 'tutor/hints' AND version = 1"
    )
    pipeline.query("UPDATE prompt_names SET blocked_reason = 'it harms' WHERE name = 'nlu_topic_extraction'")
    shown = prompt_worker("registry", "show")
    assert re.search(
        r"^registry [0-9a-f-]{36}, epoch 1, revision \d+; 4 prompts, 5 versions", shown, re.MULTILINE
    )
    assert re.search(r"^tutor/hints +v2 +staging v1", shown, re.MULTILINE)
    assert re.search(r"^nlu_topic_extraction +v1 +it harms", shown, re.MULTILINE)


def test_export_to_standard_output_is_the_document(
    prompt_worker: Command, pipeline: Pipeline, tmp_path: Path
) -> None:
    pipeline.query(
        "INSERT INTO prompt_templates (name, version, template_text, is_active) "
        "VALUES ('tutor/\N{GRINNING FACE}', NULL, 'é {{ x }} \\n 🌧', true)"
    )
    printed = prompt_worker("registry", "export")
    assert printed.isascii()
    prompt_worker("registry", "export", str(tmp_path / "a.json"))
    assert decode(printed.encode()).sha256() == decode((tmp_path / "a.json").read_bytes()).sha256()


def test_exported_file_is_replaced_by_a_later_document_alone(
    prompt_worker: Command, pipeline: Pipeline, tmp_path: Path
) -> None:
    path = tmp_path / "prompts.json"
    assert "with 3 prompts" in prompt_worker("registry", "export", str(path))
    earlier = path.read_bytes()
    release(pipeline)
    prompt_worker("registry", "export", str(path))
    later = path.read_bytes()
    assert decode(later).revision > decode(earlier).revision
    prompt_worker("registry", "export", str(path))
    assert decode(path.read_bytes()).sha256() == decode(later).sha256()
    other = later.replace(str(decode(later).registry_id).encode(), b"019a0000-0000-7000-8000-00000000000b")
    ahead = later.replace(
        f'"revision":{decode(later).revision}'.encode(), f'"revision":{decode(later).revision + 9}'.encode()
    )
    for kept in (other, ahead, b"not a document", later[:-10]):
        path.write_bytes(kept)
        assert "--force replaces it" in prompt_worker("registry", "export", str(path), code=74)
        assert path.read_bytes() == kept
        prompt_worker("registry", "export", str(path), "--force")
        assert decode(path.read_bytes()).sha256() == decode(later).sha256()
    assert [each.name for each in tmp_path.iterdir()] == ["prompts.json"]


def test_export_replaces_files_alone_and_follows_links(prompt_worker: Command, tmp_path: Path) -> None:
    pipe, link, file = tmp_path / "pipe", tmp_path / "link", tmp_path / "file"
    os.mkfifo(pipe)
    for target in (pipe, tmp_path):
        assert "is no file" in prompt_worker("registry", "export", str(target), "--force", code=74)
    assert pipe.is_fifo()
    link.symlink_to(file)
    prompt_worker("registry", "export", str(link))
    assert link.is_symlink()
    assert decode(file.read_bytes()).names


def test_export_that_fails_leaves_the_file_before(
    prompt_worker: Command, pipeline: Pipeline, tmp_path: Path
) -> None:
    path = tmp_path / "prompts.json"
    prompt_worker("registry", "export", str(path))
    before = path.read_bytes()
    pipeline.query(
        "INSERT INTO prompt_templates (name, version, template_text, is_active) "
        "SELECT 'large/' || n, 1, repeat('x', 60000), true FROM generate_series(1, 20) AS n"
    )
    # A file that may not grow, as on a full disk.
    program = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); "
        "from prompt_worker.commands.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "registry", "export", str(path)],
        env=pipeline.environment | {"PYTHONPATH": ":".join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 74, done.stderr
    assert "cannot write" in done.stderr
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["prompts.json"]


def test_missing_folder_and_missing_database_are_named(
    prompt_worker: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "cannot write" in prompt_worker("registry", "export", str(tmp_path / "no" / "a.json"), code=74)
    assert "give gs://BUCKET/OBJECT" in prompt_worker("registry", "export", "gs://bucket", code=74)
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/prompts")
    target = tmp_path / "a.json"
    assert "unavailable" in prompt_worker("registry", "export", str(target), code=69)
    assert not target.exists()


def test_object_is_replaced_by_a_later_document_alone(
    prompt_worker: Command, pipeline: Pipeline, bucket: Bucket
) -> None:
    target = "gs://prompts/of production/registry.json"
    name = "of production/registry.json"
    prompt_worker("registry", "export", target)
    assert decode(bucket.objects[name][1]).names.keys() >= {"nlu_topic_extraction"}
    release(pipeline)
    prompt_worker("registry", "export", target)
    generation, later = bucket.objects[name]
    assert generation == 2
    bucket.put(name, later.replace(b'"epoch":1', b'"epoch":2'))
    assert "--force replaces it" in prompt_worker("registry", "export", target, code=74)
    prompt_worker("registry", "export", target, "--force")
    assert decode(bucket.objects[name][1]).epoch == 1


def test_object_that_another_export_replaced_meanwhile_is_kept(
    prompt_worker: Command, pipeline: Pipeline, bucket: Bucket
) -> None:
    prompt_worker("registry", "export", "gs://prompts/a.json")
    release(pipeline)
    bucket.between = lambda: bucket.put("a.json", b"of another")
    assert "meanwhile: run it again" in prompt_worker("registry", "export", "gs://prompts/a.json", code=74)
    assert bucket.objects["a.json"][1] == b"of another"


@pytest.mark.parametrize(("status", "hint"), [(403, "storage.objects.create"), (503, "try again")])
def test_refused_upload_is_explained(prompt_worker: Command, bucket: Bucket, status: int, hint: str) -> None:
    bucket.refuses = status
    assert hint in prompt_worker("registry", "export", "gs://prompts/a.json", code=74)
    assert bucket.objects == {}
