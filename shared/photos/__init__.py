"""Which files are photographs."""
