"""The whole system on one machine: a PostgreSQL and a Pub/Sub of our own."""

from prompt_worker.platform.failures import Failure


class ServerError(Failure):
    """A local server could not be found, started or stopped; the message says what to do next."""

    exit_code = 69
