"""What Google Cloud does with a resource, as far as the plans here depend on it: kinds, defaults, refusals."""

from __future__ import annotations

from threading import Lock
from typing import Any

State = dict[str, Any]

# The provider refuses to delete these unless `deletion_protection = false` was applied before; left out, it is true.
PROTECTED = {
    "google_bigquery_table",
    "google_cloud_run_v2_job",
    "google_cloud_run_v2_service",
    "google_cloud_run_v2_worker_pool",
}
# Another value is another resource. Of a grant, everything is.
IDENTITY = {
    "account_id", "bucket", "dataset_id", "location", "name", "parameter_data", "parameter_id", "parameter_version_id",
    "project", "region", "repository_id", "role_id", "secret_id", "table_id", "topic",
}  # fmt: skip
# Blocks that are kept as they are where Terraform gives none, and what a new resource then has.
FROM_API = {("google_cloud_run_v2_worker_pool", "scaling"): {"manual_instance_count": 1}}


class RefusedError(Exception):
    """Google Cloud, or the provider before it, says no."""


class Cloud:
    """One project. A test may change a resource as gcloud or the console would, and see what a plan makes of it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.resources: dict[str, tuple[str, State]] = {}

    def of(self, kind: str, name: str = "") -> State:
        """The one resource of `kind` whose own name is `name`."""
        (found,) = (
            state
            for of_kind, state in self.resources.values()
            if of_kind == kind and name in ("", state["name"])
        )
        return found

    def names(self, kind: str) -> set[str]:
        return {state["name"] for of_kind, state in self.resources.values() if of_kind == kind}

    def create(self, kind: str, state: State) -> None:
        with self._lock:
            if state["id"] in self.resources:
                raise RefusedError(f"409: {state['id']} already exists")
            self.resources[state["id"]] = kind, state

    def update(self, kind: str, state: State) -> None:
        with self._lock:
            self.resources[state["id"]] = kind, state

    def delete(self, kind: str, state: State) -> None:
        with self._lock:
            if state.get("deletion_policy") == "PREVENT":
                raise RefusedError(f"cannot destroy {state['id']}: its deletion_policy is PREVENT")
            if state.get("deletion_protection"):
                raise RefusedError(f"cannot destroy {state['id']} without setting deletion_protection=false")
            inside = [
                of_kind for of_kind, other in self.resources.values()
                if of_kind == "google_bigquery_table" and other["dataset_id"] == state.get("dataset_id")
            ]  # fmt: skip
            if kind == "google_bigquery_dataset" and inside and not state["delete_contents_on_destroy"]:
                raise RefusedError(f"400: dataset {state['dataset_id']} is still in use")
            del self.resources[state["id"]]

    def read(self, state: State) -> State | None:
        with self._lock:
            return self.resources.get(state["id"], ("", None))[1]


def replaces(kind: str, name: str) -> bool:
    """Whether another value of this attribute makes another resource."""
    return name in IDENTITY or "_iam_member" in kind


def computed(kind: str, name: str, type_: Any, state: State) -> Any:
    """A value for what Google Cloud decides: the form that references and other resources rely on."""
    own = next(
        (state[key] for key in ("account_id", "secret_id", "role_id", "name") if _known(state.get(key))), "it"
    )
    email = f"{own}@{state.get('project') or 'p'}.iam.gserviceaccount.com"
    special = {
        "deletion_policy": "DELETE",
        "email": email,
        "member": f"serviceAccount:{email}",
        "number": "123456789",
        "project": "p",
        "uri": f"https://{own}-abc.a.run.app",
    }
    if name in special and type_ == "string":
        return special[name]
    if isinstance(type_, list):
        return {} if type_[0] == "map" else []
    if type_ == "string":
        known = [
            str(value)
            for key, value in sorted(state.items())
            if isinstance(value, str) and (key == "display_name" or replaces(kind, key))
        ]
        return (
            f"projects/p/{kind.removeprefix('google_')}/{'/'.join(known)}"
            if name in ("id", "name")
            else f"{kind}.{name}"
        )
    return {"number": 0, "bool": False}.get(type_)


def _known(value: Any) -> bool:
    return isinstance(value, str) and value != ""
