"""What is kept: database, artifacts, keys, settings."""
