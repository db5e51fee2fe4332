"""`prompt-worker experiments create`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_by, add_command, who


def add(commands: Commands) -> None:
    create = add_command(
        commands,
        "create",
        _create,
        "plan an experiment: its arms, its metric and its size; it starts with 'experiments start'",
        details="Refused where it cannot work: an unknown metric, feedback that is not recorded, weights over 100, an "
        "arm without a version, or too little traffic.",
    )
    add = create.add_argument
    add("name", metavar="NAME", help="of the experiment")
    add("template", metavar="PROMPT", help="the prompt whose versions are compared")
    add(
        "--arm",
        action="append",
        required=True,
        type=_arm,
        metavar="ARM=VERSION:WEIGHT",
        help="such as control=3:50 and variant_a=4:50, the weight in percent of all units; repeatable",
    )
    add("--metric", required=True, help="what decides, such as success_rate or feedback:NAME")
    add("--protect", action="append", default=[], metavar="METRIC", help="must not get worse; repeatable")
    add("--unit", choices=("user", "session"), default="user", help="what is assigned (default: user)")
    add("--units", type=int, default=1000, help="of all arms together, at the planned look (default: 1000)")
    add("--target", type=float, metavar="PERCENT", help="the relative change that would matter")
    add("--confidence", type=float, default=0.95, help="default: 0.95")
    add("--environment", metavar="NAME", help="the only one that counts (default: all)")
    add("--description", metavar="TEXT", help="why")
    add(
        "--force",
        action="store_true",
        help="also where traffic is too little, or feedback is not recorded yet",
    )
    add("--json", action="store_true", help="print a JSON object")
    add_by(create)


def _arm(given: str) -> tuple[str, int, float]:
    name, sign, rest = given.partition("=")
    version, colon, weight = rest.partition(":")
    try:
        if not (name and sign and colon):
            raise ValueError
        return name, int(version), float(weight)
    except ValueError:
        raise argparse.ArgumentTypeError("expected ARM=VERSION:WEIGHT, such as control=3:50") from None


def _create(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.experiments.tables import print_created
    from prompt_worker.experiments.allocation import by_arm
    from prompt_worker.experiments.creating import NewExperiment, create

    new = NewExperiment(
        name=options.name,
        template_name=options.template,
        arms=by_arm((arm, version) for arm, version, _ in options.arm),
        weights=by_arm((arm, weight) for arm, _, weight in options.arm),
        primary_metric=options.metric,
        protected_metrics=tuple(options.protect),
        unit_kind=options.unit,
        environment=options.environment,
        planned_units=options.units,
        confidence_level=options.confidence,
        target_improvement_percentage=options.target,
        description=options.description,
    )
    created = create(open_session("experiments"), new, by=who(options), force=options.force)
    print_created(options.name, created, as_json=options.json)
    return 0
