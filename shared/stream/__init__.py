"""One loop for all streaming services: worker, events on the wire, health, metrics, tracing."""
