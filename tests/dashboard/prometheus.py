"""A real Prometheus on this machine, and its promtool: from Debian's package `prometheus`, or any other."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from prompt_worker.local.servers.server import free_port
from tests.dashboard.queries import conditions

START_SECONDS = 30.0


@dataclass(frozen=True)
class Prometheus:
    url: str

    def over(self, query: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """Its series: `metric`, its labels, and `values`, pairs of Unix seconds and a number as text."""
        return self._ask("query_range", query=query, start=start, end=end, step=step)

    def now(self, query: str) -> list[dict[str, Any]]:
        return self._ask("query", query=query)

    def _ask(self, way: str, **parameters: object) -> list[dict[str, Any]]:
        with urlopen(f"{self.url}/api/v1/{way}?{urlencode(parameters)}", timeout=10) as answer:
            result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
            return result


@contextmanager
def started(targets: Mapping[str, int]) -> Iterator[Prometheus]:
    """Scrapes these ports of this machine, by job, twice a second; evaluates the alert policies' rules as often."""
    jobs = [
        {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
        for job, port in targets.items()
    ]
    port = free_port()
    with TemporaryDirectory(prefix="prometheus-") as folder:
        # JSON is YAML.
        config = Path(folder, "prometheus.json")
        rules = Path(folder, "rules.json")
        rules.write_text(_rules())
        often = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
        config.write_text(json.dumps({"global": often, "rule_files": [str(rules)], "scrape_configs": jobs}))
        address = f"127.0.0.1:{port}"
        command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/data"]
        with Path(folder, "log").open("wb") as log:
            process = subprocess.Popen([*command, f"--web.listen-address={address}"], stdout=log, stderr=log)
        try:
            _wait_until_ready(f"http://{address}/-/ready")
            yield Prometheus(f"http://{address}")
        finally:
            process.terminate()
            process.wait()


def _wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urlopen(url, timeout=1):
                return
        except (URLError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def check_alerts() -> str:
    """What promtool says of the alert policies' PromQL, as rules. Raises when it refuses one."""
    with TemporaryDirectory(prefix="prometheus-") as folder:
        path = Path(folder, "rules.json")
        path.write_text(_rules())
        return _promtool("check", "rules", str(path))


def _rules() -> str:
    """The alert policies' PromQL as Prometheus's alerting rules."""
    rules = [
        {"alert": condition["alertRule"], "expr": condition["query"], "for": condition["duration"]}
        for _, condition in conditions("conditionPrometheusQueryLanguage")
    ]
    return json.dumps({"groups": [{"name": "prompt-worker", "rules": rules}]})


def check_query(prometheus: Prometheus, query: str) -> str:
    """promtool's own answer. Raises when it refuses the query."""
    return _promtool("query", "instant", prometheus.url, query)


def _promtool(*arguments: str) -> str:
    ended: Sequence[str] = ["promtool", *arguments]
    return subprocess.run(ended, capture_output=True, text=True, check=True, timeout=30).stdout
