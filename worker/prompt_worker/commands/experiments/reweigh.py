"""`prompt-worker experiments reweigh`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_by, add_command, who


def add(commands: Commands) -> None:
    reweigh = add_command(
        commands,
        "reweigh",
        _reweigh,
        "give the arms of a running experiment another part of the units",
        details="Where no arm becomes smaller each unit keeps its arm; else all are assigned again. Where the arms' "
        "shares of each other change, the comparison begins again.",
    )
    reweigh.add_argument("name", metavar="NAME", help="of the experiment")
    reweigh.add_argument(
        "--weights",
        nargs="+",
        required=True,
        type=_weight,
        metavar="ARM=PERCENT",
        help="of all units, for each arm, such as control=40 variant_a=40",
    )
    reweigh.add_argument("--reason", required=True, metavar="TEXT", help="why, for the history")
    reweigh.add_argument("--json", action="store_true", help="print a JSON object")
    add_by(reweigh)


def _weight(given: str) -> tuple[str, float]:
    name, sign, percent = given.partition("=")
    try:
        if not (name and sign):
            raise ValueError
        return name, float(percent)
    except ValueError:
        raise argparse.ArgumentTypeError("expected ARM=PERCENT, such as control=40") from None


def _reweigh(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.experiments.tables import print_reweighed
    from prompt_worker.experiments.allocation import by_arm
    from prompt_worker.experiments.changing import reweigh

    session = open_session("experiments")
    weights = by_arm((arm, weight) for arm, weight in options.weights)
    reweighed = reweigh(session, options.name, weights, why=options.reason, by=who(options))
    print_reweighed(reweighed, as_json=options.json)
    return 0
