"""The whole system on one machine: a PostgreSQL and a Pub/Sub of our own."""


class ServerError(Exception):
    """A local server could not be found, started or stopped; the message says what to do next."""

    exit_code = 69  # EX_UNAVAILABLE of sysexits.h
