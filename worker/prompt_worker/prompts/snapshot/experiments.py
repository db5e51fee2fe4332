"""Experiments and rollouts as a snapshot has them: each with the compiled version of every arm, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from prompt_worker.prompts.assignment import Assignment
from prompt_worker.prompts.errors import short
from prompt_worker.prompts.registry.experiment import Experiment, Experiments, label
from prompt_worker.prompts.version import CompiledVersion, Given

# Name and version.
_Key = tuple[str, int]


class Running(NamedTuple):
    """One of an active prompt, in place of its production."""

    experiment: Experiment
    assignment: Assignment
    arms: Mapping[str, CompiledVersion]


class Tested:
    """The experiments of those names that are active. `quarantined`: why one is not run, by what it is called."""

    def __init__(self, experiments: Experiments, found: Mapping[_Key, Given], active: Iterable[str]) -> None:
        self.quarantined = dict(experiments.refused)
        wanted = experiments.by_name.keys() & set(active)
        self._experiments = {name: experiments.by_name[name] for name in wanted}
        templates = {each.template_id: key for key, each in found.items() if key[0] in wanted}
        # Of a template that is another prompt's, or is not there, none.
        self._arms = {
            name: {
                arm: key if (key := templates.get(template)) is not None and key[0] == name else None
                for arm, template in each.arms.items()
            }
            for name, each in self._experiments.items()
        }

    def versions(self) -> set[_Key]:
        """That are served by an arm."""
        return {key for arms in self._arms.values() for key in arms.values() if key is not None}

    def running(self, name: str, target: Callable[[str, int], CompiledVersion | None]) -> Running | None:
        """`target`: a version, None of one that cannot be served. One arm without a version ends them all."""
        experiment = self._experiments.get(name)
        if experiment is None:
            return None
        arms: dict[str, CompiledVersion] = {}
        for arm, key in self._arms[name].items():
            version = target(*key) if key is not None else None
            if version is None:
                why = "is not there" if key is None else "cannot be served"
                self.quarantined[label(experiment)] = f"the version of its arm {short(arm)} {why}"
                return None
            arms[arm] = version
        return Running(experiment, Assignment(experiment.seed, experiment.ranges), arms)
