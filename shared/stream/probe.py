"""`python -m shared.stream.probe`: status 0 if the service of this container is ready; for a container's health check.

Quick, so that it may run every few seconds: it imports nothing of the service.
"""

import os
import sys
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

_TIMEOUT = 3.0  # seconds


def main() -> None:
    """Ask `/readyz` on this machine."""
    port = int(os.environ.get("FACESTREAM_SERVICE_HEALTH_PORT") or 0)
    host = os.environ.get("FACESTREAM_SERVICE_HEALTH_HOST") or "127.0.0.1"
    if not port:
        sys.exit("expected FACESTREAM_SERVICE_HEALTH_PORT, the port that the service answers on; found none")
    connection = HTTPConnection(host, port, timeout=_TIMEOUT)
    try:
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        sys.exit(f"port {port} does not answer: {error}")
    finally:
        connection.close()
    sys.exit(None if status == HTTPStatus.OK else f"not ready: status {status}")


if __name__ == "__main__":
    main()
