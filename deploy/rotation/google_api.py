"""Secret Manager and Cloud Run over their HTTP APIs, as far as a changed secret needs them."""

from __future__ import annotations

import base64
import json
import os
import time
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

# As gcloud names what replaces an API's address: for a private endpoint, or a test.
_OVERRIDE = "CLOUDSDK_API_ENDPOINT_OVERRIDES_"
_SECONDS = 30
# Longer than Cloud Run tries to start a revision.
_PATIENCE = 600


class GoogleError(Exception):
    """A call that was refused, or that nobody answered. Holds no secret."""


class Google:
    """One project in one region. Each method raises `GoogleError`."""

    def __init__(self, project: str, region: str) -> None:
        self._project, self._region = project, region
        self._token: str | None = None

    def newest_version(self, secret: str) -> tuple[str, str]:
        """Its name, `projects/…/secrets/…/versions/3`, and its value."""
        found = self._secrets("GET", f"v1/projects/{self._project}/secrets/{secret}/versions/latest:access")
        return found["name"], base64.b64decode(found["payload"]["data"]).decode()

    def add_version(self, secret: str, value: str) -> str:
        """Its name."""
        data = base64.b64encode(value.encode()).decode()
        path = f"v1/projects/{self._project}/secrets/{secret}:addVersion"
        return str(self._secrets("POST", path, {"payload": {"data": data}})["name"])

    def is_enabled(self, version: str) -> bool:
        return bool(self._secrets("GET", f"v1/{version}")["state"] == "ENABLED")

    def disable(self, version: str) -> None:
        self._secrets("POST", f"v1/{version}:disable", {})

    def restart(self, kind: str, name: str) -> bool:
        """Waits until a new revision of a pool (`workerPools`) or service (`services`) has replaced the one before.

        False where there is no such thing.
        """
        path = f"v2/projects/{self._project}/locations/{self._region}/{kind}/{name}"
        try:
            running = self._run("GET", path)
        except GoogleError as error:
            if "404" in str(error):
                return False
            raise
        before = running["latestReadyRevision"]
        # The label with which gcloud forces a revision.
        running["template"].setdefault("labels", {})["client.knative.dev/nonce"] = f"r{time.time_ns()}"
        running["template"].pop("revision", None)
        self._run("PATCH", path, running)
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            running = self._run("GET", path)
            ready = running["latestReadyRevision"]
            if ready not in (before, None) and ready == running["latestCreatedRevision"]:
                return True
            time.sleep(float(os.environ.get("ROTATION_POLL_SECONDS", "5")))
        raise GoogleError(
            f"{name} was not replaced within {_PATIENCE} s: its new revision does not get ready"
        )

    def _secrets(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        return self._call("SECRETMANAGER", "https://secretmanager.googleapis.com/", method, path, body)

    def _run(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        return self._call("RUN", f"https://{self._region}-run.googleapis.com/", method, path, body)

    def _call(self, api: str, address: str, method: str, path: str, body: Any) -> dict[str, Any]:
        address = os.environ.get(_OVERRIDE + api, address)
        request = Request(  # noqa: S310
            address + path,
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {self._bearer()}"},
            method=method,
        )
        try:
            with urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
                return dict(json.load(answer))
        except HTTPError as error:
            raise GoogleError(f"{method} {path}: {error.code} {error.reason}") from None
        except (URLError, TimeoutError) as error:
            raise GoogleError(f"{method} {path}: {getattr(error, 'reason', error)}") from None

    def _bearer(self) -> str:
        """Of the account that gcloud or the machine has."""
        if self._token is None:
            self._token = os.environ.get("CLOUDSDK_AUTH_ACCESS_TOKEN") or _default_token()
        return self._token


def _default_token() -> str:
    import google.auth
    from google.auth.exceptions import GoogleAuthError
    from google.auth.transport.requests import Request as Refresh

    try:
        credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
        credentials.refresh(Refresh())
    except GoogleAuthError as error:
        raise GoogleError(f"no credentials: {error}. Run 'gcloud auth application-default login'") from None
    return str(credentials.token)
