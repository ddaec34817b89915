"""Implementations of the ports: servers (Kafka, MinIO, MongoDB) and local ones (folders, SQLite, memory)."""
