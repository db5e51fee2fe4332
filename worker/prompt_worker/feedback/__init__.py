"""What is said about requests: feedback events become rows of `prompt_feedback`."""
