"""The same services: their prompts come from `PromptTemplateService`."""
