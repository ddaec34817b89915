"""MinIO, or any other S3 store: objects, users, settings."""
