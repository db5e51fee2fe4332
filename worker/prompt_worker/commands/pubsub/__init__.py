"""The commands on topics and subscriptions."""
