"""Mutated photographs of all formats, through the real processes; `python -m tools.fuzz --count 3000 --seed 1`."""
