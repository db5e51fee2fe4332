"""Where live prompts come from: one document of a whole registry, and the sources that have it."""
