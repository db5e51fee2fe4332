"""A/B tests and guarded rollouts: who is in which arm, what that did, and a verdict that may be trusted."""
