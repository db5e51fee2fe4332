"""`prompt-worker prompts` on what is served: reviewed, activated, rolled back, labelled, blocked, explained."""
