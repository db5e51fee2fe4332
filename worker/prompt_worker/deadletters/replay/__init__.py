"""Replays: dead letters chosen, rehearsed in a dry run, sent again, and followed until they are settled."""
