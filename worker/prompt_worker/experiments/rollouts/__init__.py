"""Guarded rollouts: a new version for a growing part of the units, stopped where it does harm."""
