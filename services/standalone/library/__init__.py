"""Which photographs a result knows, and what has changed in their folder since the last run."""
