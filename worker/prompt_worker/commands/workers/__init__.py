"""The commands that consume until they are stopped."""
