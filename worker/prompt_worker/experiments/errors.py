"""What can go wrong with an experiment. Messages say what to do next."""

from __future__ import annotations

from prompt_worker.platform.failures import Failure


class ExperimentError(Failure):
    """Of all errors of experiments: what is asked for cannot work."""

    exit_code = 65


class NoSuchExperimentError(ExperimentError):
    """No experiment has this name."""

    exit_code = 66
