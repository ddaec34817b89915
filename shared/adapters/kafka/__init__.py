"""Kafka: the record stream and writer of a service, topics, users, and how far each group has read."""
