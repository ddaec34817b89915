"""Erase photographs, refit the clusters that lose faces, and restore memberships if a photograph returns."""
