"""One small HTTP port: `/livez`, `/readyz`, `/metrics`.

Live is who goes round its loop; a broker or a database that is away is no reason to be restarted. Ready is who has
reached all that it depends on once, and was given partitions.
"""

import faulthandler
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.errors import InvalidInput

_STANDARD_ERROR = 2  # the descriptor


class Health:
    """What the port tells; the loop's thread writes it, requests read it."""

    def __init__(self, longest_silence: float) -> None:
        """Begin live and not ready. `longest_silence`: seconds from one round of the loop to the next."""
        self.longest_silence = longest_silence
        self._last_round = time.monotonic()
        self._written_of: float | None = None  # the last round before a stall whose stacks are written
        self.ready = False

    def looped(self) -> None:
        """Note a round of the loop."""
        self._last_round = time.monotonic()

    @property
    def live(self) -> bool:
        """Say whether the loop goes round."""
        return time.monotonic() - self._last_round < self.longest_silence

    def write_stacks(self) -> None:
        """Write where each thread stands to standard error, once in a stall: who is told of it will end the process.

        Files, lines and functions, no values.
        """
        if self._written_of != self._last_round:
            self._written_of = self._last_round
            faulthandler.dump_traceback(_STANDARD_ERROR)


def serve(health: Health, host: str, port: int) -> ThreadingHTTPServer:
    """Answer on a port until the process ends, in a thread of its own; raises `InvalidInput` where it is taken."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            match self.path.partition("?")[0]:
                case "/livez":
                    if not (is_live := health.live):
                        health.write_stacks()
                    self._say(ok=is_live)
                case "/readyz":
                    self._say(ok=health.ready)
                case "/metrics":
                    self._send(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest())
                case _:
                    self._send(HTTPStatus.NOT_FOUND, "text/plain", b"/livez /readyz /metrics\n")

        def _say(self, *, ok: bool) -> None:
            status = HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE
            self._send(status, "text/plain", b"ok\n" if ok else b"no\n")

        def _send(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: probes come every few seconds."""

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        msg = f"FACESTREAM_SERVICE_HEALTH_PORT: expected a free port of {host or 'this machine'}, found {port}: {error}"
        raise InvalidInput(msg) from error
    server.daemon_threads = True
    Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server
