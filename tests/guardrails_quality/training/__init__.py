"""Training of the models that come with the package; nothing here runs in a worker."""
