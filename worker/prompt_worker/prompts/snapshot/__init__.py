"""All prompts of one moment, and how they are built of a registry's document or a folder."""
