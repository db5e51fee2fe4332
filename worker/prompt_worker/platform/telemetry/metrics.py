"""Every metric, declared once: its name, its meaning, its unit and its labels.

A label's values come from the code, the schema or a guardrail's owner, never from an event: they stay few and hold
nothing that people wrote. Exported names are Prometheus's everywhere, also through OTLP: see `exported_name`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Literal, NamedTuple, get_args

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

Counter = Literal[
    "events",
    "dead_letters",
    "retries",
    "replaced_characters",
    "evaluations",
    "checks",
    "violations",
    "unusable_guardrails",
    "alerts",
    "alert_errors",
    "pull_errors",
    "refused_requests",
    "settle_errors",
    "prompts_served",
    "enrolments",
    "registry_requests",
    "rollbacks",
    "looks",
    "look_errors",
    "experiment_alerts",
]
Histogram = Literal["batch_size", "handling", "write", "end_to_end", "look"]
Gauge = Literal[
    "oldest_in_hand",
    "messages_in_hand",
    "unsent_events",
    "spool",
    "months_ahead",
    "prompt_registry_age",
    "prompts_quarantined",
    "registry_clients",
    "experiments",
    "oldest_look",
]
Metric = Counter | Histogram | Gauge


class About(NamedTuple):
    """`unit` as UCUM writes it: `s`, `By`, or `{event}` for a plain number of them."""

    description: str
    unit: str
    labels: tuple[str, ...] = ()


ABOUT: dict[Metric, About] = {
    "events": About("settled events, by what became of them", "{event}", ("outcome",)),
    "dead_letters": About("events sent to the dead-letter topic, by reason", "{event}", ("error_class",)),
    "retries": About("database transactions tried again", "{transaction}", ("sqlstate",)),
    "replaced_characters": About("NULs and lone surrogates that became U+FFFD", "{character}"),
    "evaluations": About("events recorded as evaluated, by the strictest action", "{event}", ("outcome",)),
    "checks": About("events that a guardrail checked", "{event}", ("guardrail",)),
    "violations": About("violations recorded", "{violation}", ("guardrail_type", "severity", "source")),
    "unusable_guardrails": About(
        "checks of a guardrail whose config cannot be used", "{check}", ("guardrail",)
    ),
    "alerts": About("violations published to the topic of alerts", "{violation}"),
    "alert_errors": About("publishes of alerts that failed", "{request}", ("error",)),
    "pull_errors": About("pulls that failed", "{request}", ("code",)),
    "refused_requests": About(
        "pushed requests that were not settled, by their answer", "{request}", ("status",)
    ),
    "settle_errors": About(
        "messages whose acknowledgement or lease extension failed", "{message}", ("code",)
    ),
    "prompts_served": About(
        "prompts that a service was given, by where they came from", "{prompt}", ("source",)
    ),
    "enrolments": About(
        "prompts of an experiment or rollout that a service was given, by what became of the unit",
        "{prompt}",
        ("outcome",),
    ),
    "registry_requests": About("requests for the registry, by their answer", "{request}", ("status",)),
    "rollbacks": About("rollouts that were ended automatically, as they did harm", "{rollout}"),
    "looks": About("looks at experiments, by their verdict", "{look}", ("verdict",)),
    "look_errors": About("looks that failed", "{look}", ("error",)),
    "experiment_alerts": About(
        "experiments that became harmful, or whose arms cannot be compared", "{experiment}", ("verdict",)
    ),
    "batch_size": About("messages of a batch, by why it was flushed", "{message}", ("reason",)),
    "handling": About("a batch, from collected to committed, retries included", "s", ("subscription",)),
    "write": About("a transaction, from its first statement to its commit", "s"),
    "end_to_end": About(
        "to the commit, since `published` or `executed`; of each batch's first message and every 250th",
        "s",
        ("since", "subscription"),
    ),
    "look": About("a look at an experiment, from its first statement to its commit", "s"),
    "oldest_in_hand": About(
        "since the oldest message that is being handled was published, of each batch's first and every 250th",
        "s",
        ("subscription",),
    ),
    "messages_in_hand": About("messages that are being handled", "{message}", ("subscription",)),
    "unsent_events": About("events that wait in a publisher's memory", "{event}"),
    "spool": About("events that wait in a publisher's spool, on disk", "By"),
    "months_ahead": About("months to come that have a partition", "{month}", ("table",)),
    "prompt_registry_age": About("since the registry last said which prompts to serve", "s"),
    "prompts_quarantined": About("prompts that are not served as they are stored", "{prompt}"),
    "registry_clients": About("clients that wait for another revision of the registry", "{client}"),
    "experiments": About("running experiments, by their last verdict", "{experiment}", ("verdict",)),
    "oldest_look": About("since the running experiment that waits the longest was looked at", "s"),
}

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 21_600)
_BUCKETS: dict[Histogram, Sequence[float]] = {
    "batch_size": (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000),
    "handling": _SECONDS,
    "write": _SECONDS,
    "end_to_end": _SECONDS,
    "look": _SECONDS,
}


def kind(metric: Metric) -> Literal["counter", "histogram", "gauge"]:
    """How Prometheus sees it."""
    if metric in get_args(Counter):
        return "counter"
    return "histogram" if metric in get_args(Histogram) else "gauge"


def exported_name(metric: Metric) -> str:
    """The name with its unit; Prometheus appends `_bucket`, `_sum` and `_count` to a histogram's."""
    unit = {"s": "_seconds", "By": "_bytes"}.get(ABOUT[metric].unit, "")
    return f"prompt_worker_{metric}{unit}{'_total' if kind(metric) == 'counter' else ''}"


_meter = metrics.get_meter("prompt_worker")
_watched: dict[Metric, list[tuple[Callable[[], float], dict[str, str]]]] = {}
_of_worker: dict[str, str] = {}


def name_worker(name: str) -> None:
    """Every metric of this process has the label `worker` from now on."""
    _of_worker["worker"] = name


def count(metric: Counter, amount: int = 1, **labels: str) -> None:
    _counter(metric).add(amount, labels | _of_worker)


def record(metric: Histogram, value: float, **labels: str) -> None:
    _histogram(metric).record(value, labels | _of_worker)


def watch(metric: Gauge | Counter, read: Callable[[], float], **labels: str) -> None:
    """Exports what `read` returns; it is called from an exporter's thread whenever that exports.

    Of a counter that is counted elsewhere: what it has reached.
    """
    if metric in _watched:
        _watched[metric].append((read, labels))
        return
    watched = _watched[metric] = [(read, labels)]

    def observe(_: CallbackOptions) -> list[Observation]:
        return [Observation(read(), labels | _of_worker) for read, labels in watched]

    about = ABOUT[metric]
    make = _meter.create_observable_counter if kind(metric) == "counter" else _meter.create_observable_gauge
    make(exported_name(metric), [observe], about.unit, about.description)


# Made when first used: a publishing service has none of them.
@cache
def _counter(metric: Counter) -> metrics.Counter:
    return _meter.create_counter(exported_name(metric), ABOUT[metric].unit, ABOUT[metric].description)


@cache
def _histogram(metric: Histogram) -> metrics.Histogram:
    return _meter.create_histogram(
        exported_name(metric),
        ABOUT[metric].unit,
        ABOUT[metric].description,
        explicit_bucket_boundaries_advisory=_BUCKETS[metric],
    )
