"""Free ports."""

import os
import random
import socket
from collections.abc import Iterator

# Below Linux' range of ports for outgoing connections: a client that tries again and again to reach a server that is
# down may else be given the server's own port, and connect to itself.
_RANGE = range(20_000, 32_000)


def _numbers() -> Iterator[int]:
    """Yield ports in any order, none twice, and none of those of another worker of these tests.

    A server listens some time after its port was chosen, and not at all while it is restarted: that nobody listens
    does not say that nobody will.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    own = _RANGE[worker :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]
    yield from random.sample(own, len(own))


_left = _numbers()


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on, and that was not returned before."""
    for port in _left:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    msg = f"expected a free port from {_RANGE.start} to {_RANGE.stop}, found none that was not given away before"
    raise RuntimeError(msg)
