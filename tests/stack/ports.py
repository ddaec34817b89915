"""Free ports."""

import random
import socket

# Below Linux' range of ports for outgoing connections: a client that tries again and again to reach a server that is
# down may else be given the server's own port, and connect to itself.
_RANGE = range(20_000, 32_000)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    for port in random.sample(_RANGE, 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    msg = f"expected a free port from {_RANGE.start} to {_RANGE.stop}, found none among 200"
    raise RuntimeError(msg)
