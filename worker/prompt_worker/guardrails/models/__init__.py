"""Trained weights and their cards."""
