"""Versions on their way into the registry: from a file, from a folder, from another environment."""
