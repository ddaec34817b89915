"""Reclusterer: all faces are regrouped into people, by Chinese Whispers."""
