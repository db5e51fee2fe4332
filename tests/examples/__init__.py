"""The platform's three services, each twice: its prompt in its code, then from `PromptTemplateService`."""
