"""A local server that speaks the HTTP APIs of Secret Manager and Cloud Run, as far as a changed secret needs them."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Services:
    """Secrets with their versions, and pools and services that have revisions. A test reads and changes both."""

    def __init__(self) -> None:
        self.versions: dict[str, list[dict[str, str]]] = {}
        self.running: dict[str, dict[str, Any]] = {}
        # In the order in which they came: METHOD and path.
        self.calls: list[str] = []
        # Paths that answer 403, by what they contain.
        self.refused: set[str] = set()
        # Paths that do what they are asked and then answer 503.
        self.lost: set[str] = set()

    def add(self, secret: str, value: str) -> dict[str, str]:
        versions = self.versions.setdefault(secret, [])
        name = f"projects/p/secrets/{secret}/versions/{len(versions) + 1}"
        versions.append({"name": name, "state": "ENABLED", "value": value})
        return versions[-1]

    def run(self, path: str) -> None:
        """A pool or a service: `workerPools/prompt-worker-executions`."""
        revision = {"latestReadyRevision": "r1", "latestCreatedRevision": "r1"}
        self.running[path] = {"template": {"containers": [{"image": "i"}]}, **revision}

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.calls.append(f"{method} {path}")
        if any(part in path for part in self.refused):
            return 403, {}
        if found := re.fullmatch(r"/v2/projects/p/locations/r/(.+)", path):
            return self._cloud_run(method, found[1], body)
        secret, rest = re.fullmatch(r"/v1/projects/p/secrets/([\w-]+)(.*)", path).groups()  # type: ignore[union-attr]
        if rest == ":addVersion":
            added = self.add(secret, base64.b64decode(body["payload"]["data"]).decode())
            return 200, {"name": added["name"], "state": added["state"]}
        versions = self.versions[secret]
        number, action = re.fullmatch(r"/versions/(\w+)(?::(\w+))?", rest).groups()  # type: ignore[union-attr]
        version = versions[-1] if number == "latest" else versions[int(number) - 1]
        if action == "access":
            data = base64.b64encode(version["value"].encode()).decode()
            return 200, {"name": version["name"], "payload": {"data": data}}
        if action == "disable":
            version["state"] = "DISABLED"
        return 200, {"name": version["name"], "state": version["state"]}

    def _cloud_run(self, method: str, name: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if name not in self.running:
            return 404, {}
        running = self.running[name]
        if method == "PATCH" and body["template"] != running["template"]:
            running |= {
                "template": body["template"],
                "latestCreatedRevision": "r2",
                "latestReadyRevision": "r2",
            }
        return 200, running


@contextmanager
def serving(services: Services) -> Iterator[dict[str, str]]:
    """The environment in which both APIs are at this address."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length) or b"{}")
            code, answer = services.answer(self.command, self.path, body)
            if any(part in self.path for part in services.lost):
                code = 503
            content = json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = _answer  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    yield {
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER": address,
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN": address,
        "CLOUDSDK_AUTH_ACCESS_TOKEN": "token",
        "ROTATION_POLL_SECONDS": "0.01",
    }
    server.shutdown()
    server.server_close()
