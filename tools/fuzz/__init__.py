"""Mutated photographs of all formats through the detector's processes: `python -m tools.fuzz`."""
