"""What is printed, read and shown on a terminal."""
