"""Pages for prompt owners and operators, over the same functions as the commands. Needs the extra `console`."""
