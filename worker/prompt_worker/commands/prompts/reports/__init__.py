"""What the commands on prompts print: tables and colours on a terminal, lines when piped, JSON for programs."""
