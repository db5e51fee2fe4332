"""Names that a publisher needs as well. Imports no client library: it is loaded only once something is sent."""

EXECUTIONS_TOPIC = "prompt-executions"
