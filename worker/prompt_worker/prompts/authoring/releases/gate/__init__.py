"""What is looked at before a version is activated."""
