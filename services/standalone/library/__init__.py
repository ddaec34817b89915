"""The photographs that a result knows, and the changes in their folder since the last run."""
