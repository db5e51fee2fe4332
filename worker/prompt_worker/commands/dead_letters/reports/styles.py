"""How a terminal shows the statuses of dead letters, in the order in which they are named."""

STYLES = {"pending": "yellow", "replayed": "cyan", "resolved": "green", "discarded": "dim"}
