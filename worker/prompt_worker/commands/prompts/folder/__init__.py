"""`prompt-worker prompts` on a folder of files and on exports."""
