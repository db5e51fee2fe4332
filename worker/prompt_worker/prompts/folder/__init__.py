"""Prompts as files: `*.prompt` with `prompts.lock` beside them, and the check of a folder."""
