"""Faults in the running stream: processes and servers are killed, frozen and stopped (`python -m tools.chaos`)."""
