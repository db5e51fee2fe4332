"""A stand-in for Terraform's provider of Google Cloud: its real schema, and a project that is a dict in memory."""
