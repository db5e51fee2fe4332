"""From the evidence of one look to a verdict: pure functions."""
