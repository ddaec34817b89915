"""Assigner: each face goes to the nearest person, or to none."""
