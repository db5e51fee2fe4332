"""What the rows of an experiment say."""
