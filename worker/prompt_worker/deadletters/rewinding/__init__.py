"""Delivering again what was acknowledged: seeks and snapshots of a subscription."""
