"""Free ports of this machine."""

import os
import random
import socket
from collections.abc import Iterator

# Below the ports that Linux uses for outgoing connections. Otherwise a client that keeps trying to reach a stopped
# server may get the port of that server as its own, and connect to itself.
_RANGE = range(20_000, 32_000)


def _numbers() -> Iterator[int]:
    """Yield ports in random order, none twice, and none of the ports of another pytest worker.

    A port without a listener may still be taken: its server may be starting or restarting.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    own = _RANGE[worker :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]
    yield from random.sample(own, len(own))


_left = _numbers()


def free_port() -> int:
    """Return a port of 127.0.0.1 without a listener, which was not returned before; RuntimeError if none is left."""
    for port in _left:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    msg = f"expected a free port from {_RANGE.start} to {_RANGE.stop}, all are in use or were returned before"
    raise RuntimeError(msg)
