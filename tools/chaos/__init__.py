"""Photographs stream in while processes and servers are killed, frozen and cut off: `python -m tools.chaos`."""
