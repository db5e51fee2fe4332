"""What the commands on dead letters print: tables on a terminal, lines when piped, JSON for programs."""
