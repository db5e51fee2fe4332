"""Dead letters: stored, understood, sent again."""
