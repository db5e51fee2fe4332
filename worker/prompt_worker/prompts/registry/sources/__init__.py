"""What has the document of a registry: a database, the registry's endpoint, a bucket, a file."""
