"""What the services have in common: events, records, ports, errors and settings."""
