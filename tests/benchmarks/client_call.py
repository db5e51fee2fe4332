"""`python client_call.py CLIENT`: what one call costs that gets a prompt from a client's cache and fills it in.

Runs in an environment of its own, which has the client and not this project: standard library alone. Reads a `Task` as
JSON from standard input, prints microseconds. The cache is filled by hand and does not expire: no server is asked.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from statistics import median, quantiles
from typing import Any

CALLS, WARM_UP = 20_000, 1_000
NAME = "script"
# Nothing listens there, and nothing has to.
NOWHERE = "http://127.0.0.1:1"
FOREVER = 1_000_000


def measure(call: Callable[[], str]) -> dict[str, Any]:
    """Microseconds of a call, without what the clock itself takes; and the text."""
    clock = median(_timed(lambda: None))
    timings = [each - clock for each in _timed(call)]
    return {"p50": median(timings), "p99": quantiles(timings, n=100)[98], "text": call()}


def _timed(call: Callable[[], object]) -> list[float]:
    timings = []
    for _ in range(CALLS + WARM_UP):
        started = time.perf_counter_ns()
        call()
        timings.append((time.perf_counter_ns() - started) / 1e3)
    return timings[WARM_UP:]


def langfuse(text: str, variables: dict[str, str]) -> Callable[[], str]:
    client = import_module("langfuse").Langfuse(
        public_key="pk", secret_key="sk", base_url=NOWHERE, tracing_enabled=False
    )
    stored = import_module("langfuse.api").Prompt_Text(
        name=NAME, version=1, prompt=text, config={}, labels=["production"], tags=[]
    )
    cache = client._resources.prompt_cache
    key = cache.generate_cache_key(NAME, version=None, label=None)
    cache.set(key, import_module("langfuse.model").TextPromptClient(stored), FOREVER)
    return lambda: str(client.get_prompt(NAME).compile(**variables))


def mlflow(text: str, variables: dict[str, str]) -> Callable[[], str]:
    client = import_module("mlflow")
    client.set_tracking_uri(NOWHERE)
    client.set_registry_uri(NOWHERE)
    utils = import_module("mlflow.prompt.registry_utils")
    uri = f"prompts:/{NAME}/1"
    key = utils.PromptCacheKey.from_uri(uri, registry_uri=NOWHERE)
    stored = import_module("mlflow.entities.model_registry").PromptVersion(NAME, 1, text)
    utils.PromptCache.get_instance().set(key, stored)
    load = import_module("mlflow.genai").load_prompt
    return lambda: str(load(uri).format(**variables))


if __name__ == "__main__":
    task = json.load(sys.stdin)
    print(json.dumps(measure({"langfuse": langfuse, "mlflow": mlflow}[sys.argv[1]](**task))))
