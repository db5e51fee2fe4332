"""An exported document in a file, as `prompt-worker registry export` writes it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from prompt_worker.platform.failures import SettingsError
from prompt_worker.prompts.errors import SourceError
from prompt_worker.prompts.registry.document import BYTES_LIMIT, decode
from prompt_worker.prompts.registry.sources.source import Fetched, Known, Polled


class FileSource(Polled):
    """Whoever replaces the file replaces it as a whole; half of one is refused and read again."""

    age_seconds = 0.0

    def __init__(self, address: str, setting: str) -> None:
        parts = urlsplit(address)
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            raise SettingsError(
                f"{setting}: a file is given with its whole path, as file:///srv/prompts.json"
            )
        self._path = Path(unquote(parts.path))
        self.name = f"file://{self._path}"

    def fetch(self, known: Known | None) -> Fetched | None:
        try:
            # Before it is read: what is written meanwhile is read the next time.
            about = self._path.stat()
            tag = f"{about.st_ino}-{about.st_size}-{about.st_mtime_ns}"
            if known is not None and known.tag == tag:
                return None
            with self._path.open("rb") as file:
                content = file.read(BYTES_LIMIT + 1)
        except OSError as error:
            raise SourceError(f"cannot read {self._path}: {error.strerror}") from None
        return Fetched(decode(content), tag)
