"""The event as a message: any value as JSON, a body that fits, the attributes around it."""
