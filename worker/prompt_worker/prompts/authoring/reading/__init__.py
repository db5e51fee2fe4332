"""What an owner looks at: prompts, their versions, their history, what is served and why."""
