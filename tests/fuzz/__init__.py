"""Mutated photographs of all formats, through the real processes; `python -m tests.fuzz --count 3000 --seed 1`."""
