"""A Terraform provider with the real schema of Google Cloud's, whose project is a dict in memory."""
