"""`prompt-worker prompts` on versions: made, shown, compared, rendered."""
