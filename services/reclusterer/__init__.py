"""Reclusterer: groups all faces into clusters again, by Chinese Whispers, and publishes the result as a generation."""
