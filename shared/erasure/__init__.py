"""Erasing photographs: what goes, what is computed again, and what comes back with a photograph."""
