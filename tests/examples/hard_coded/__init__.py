"""The services as they were: prompts in their code, executions published."""
