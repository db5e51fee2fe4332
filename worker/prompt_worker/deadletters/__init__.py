"""Dead letters: stored, explained, sent again. Nothing here prints; README.md beside this is the operators' guide."""
