"""The health port: a small HTTP server with `/livez`, `/readyz` and `/metrics`.

A service is live while its loop runs; a broker or a database that does not answer is no reason for a restart. A service
is ready once all its dependencies have answered and it has partitions.

One thread serves all connections with asyncio. A client that opens many connections and sends nothing uses no threads,
and its file descriptors only for a few seconds. If there are too many connections, the oldest one is closed, so a
probe, which sends its request at once, is still answered.
"""

import asyncio
import faulthandler
import gzip
import socket
import time
from contextlib import suppress
from http import HTTPStatus
from http.client import HTTPException, HTTPMessage, parse_headers
from io import BytesIO
from threading import Event, Thread

from prometheus_client import REGISTRY, disable_created_metrics
from prometheus_client.exposition import choose_encoder, gzip_accepted

from shared.errors import InvalidInput

_STANDARD_ERROR = 2  # the file descriptor
_TIMEOUT = 5.0  # seconds to receive the whole request, and again to send the whole answer
_LONGEST_HEAD = 16 * 1024  # bytes of request line and headers
_CONNECTIONS = 256
_ACCEPTED_AT_ONCE = 100  # so few that a new connection is read before it could be the oldest of too many
_PATHS = ("/livez", "/readyz", "/metrics")
_TEXT = "text/plain; charset=utf-8"

# Without this, each counter has a second series with the time of its creation, which nothing here uses.
disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus_client has no types here


class Health:
    """The state that the health port reports. The thread of the worker writes it, requests read it."""

    def __init__(self, stall_timeout: float) -> None:
        """Begin live and not ready. `stall_timeout`: seconds from one round of the loop to the next."""
        self.stall_timeout = stall_timeout
        self._last_round = time.monotonic()
        self._written_of: float | None = None  # the last round before a stall whose stacks are written
        self.ready = False

    def looped(self) -> None:
        """Note a round of the loop."""
        self._last_round = time.monotonic()

    @property
    def live(self) -> bool:
        """Whether the loop has made a round within `stall_timeout`."""
        return time.monotonic() - self._last_round < self.stall_timeout

    def write_stacks(self) -> None:
        """Write the stacks of all threads to standard error, once in a stall: the prober may end the process then.

        They contain files, lines and functions, no values.
        """
        if self._written_of != self._last_round:
            self._written_of = self._last_round
            faulthandler.dump_traceback(_STANDARD_ERROR)


def serve(health: Health, host: str, port: int) -> "HealthServer":
    """Serve a port until the process ends, in a thread of its own; raises `InvalidInput` if the port is in use."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family)
    except OSError as error:
        msg = f"FACESTREAM_SERVICE_HEALTH_PORT: expected a free port of {host or 'this machine'}, found {port}: {error}"
        raise InvalidInput(msg) from error
    return HealthServer(health, listening)


class HealthServer:
    """The port and its thread. `server_port`: the number of the port."""

    def __init__(self, health: Health, listening: socket.socket) -> None:
        self.server_port: int = listening.getsockname()[1]
        self._health = health
        self._listening = listening
        # The oldest first, each with the task that answers it.
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}
        self._loop = asyncio.new_event_loop()
        self._closing = asyncio.Event()
        self._closed = Event()
        Thread(target=self._run, name="health", daemon=True).start()

    def close(self) -> None:
        """Stop serving and release the port."""
        self._loop.call_soon_threadsafe(self._closing.set)
        self._closed.wait()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())
        self._closed.set()

    async def _serve(self) -> None:
        server = await asyncio.start_server(
            self._connected, sock=self._listening, limit=_LONGEST_HEAD, backlog=_ACCEPTED_AT_ONCE
        )
        async with server:
            await self._closing.wait()
            server.close()
            for writer in self._open:
                writer.transport.abort()
            await asyncio.gather(*filter(None, self._open.values()), return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[writer] = asyncio.current_task()
        if len(self._open) > _CONNECTIONS:
            oldest = next(iter(self._open))
            del self._open[oldest]
            oldest.transport.abort()
        try:
            with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                async with asyncio.timeout(_TIMEOUT):
                    answer = await self._answer(reader)
                writer.write(answer)
                writer.close()
                async with asyncio.timeout(_TIMEOUT):
                    await writer.wait_closed()
        finally:
            writer.transport.abort()
            self._open.pop(writer, None)

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        try:
            # An empty line ends the head. A request of HTTP/0.9, which is one line, has none, and times out.
            head = await reader.readuntil(b"\n\r\n")
            first, _, rest = head.partition(b"\n")
            method, target, protocol = first.decode("ascii").split()
            headers = parse_headers(BytesIO(rest))
        except asyncio.LimitOverrunError:
            return _message(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        except (HTTPException, ValueError):
            return _message(HTTPStatus.BAD_REQUEST)
        if not protocol.startswith("HTTP/1."):
            return _message(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
        answer = self._page(target.partition("?")[0], method, headers)
        return answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if method == "HEAD" else answer

    def _page(self, path: str, method: str, headers: HTTPMessage) -> bytes:
        if path not in _PATHS:
            return _message(HTTPStatus.NOT_FOUND, " ".join(_PATHS))
        if method not in {"GET", "HEAD"}:
            return _message(HTTPStatus.METHOD_NOT_ALLOWED, "GET, HEAD", Allow="GET, HEAD")
        if path == "/metrics":
            return _metrics(_values(headers, "Accept"), _values(headers, "Accept-Encoding"))
        good = self._health.live if path == "/livez" else self._health.ready
        if path == "/livez" and not good:
            self._health.write_stacks()
        return _message(HTTPStatus.OK, "ok") if good else _message(HTTPStatus.SERVICE_UNAVAILABLE, "no")


def _values(headers: HTTPMessage, name: str) -> str:
    """Return a header's values separated by commas; nothing if they contain characters that are not printable ASCII."""
    values = ", ".join(str(value) for value in headers.get_all(name, []))
    return values if values.isascii() and values.isprintable() else ""


def _metrics(accept: str, accept_encoding: str) -> bytes:
    try:
        encode, content_type = choose_encoder(accept)
    except (TypeError, ValueError):  # prometheus_client 0.26 raises these if a version is not a number
        encode, content_type = choose_encoder("")
    body = encode(REGISTRY)
    more = {"Vary": "Accept, Accept-Encoding"}
    if gzip_accepted(accept_encoding):
        body = gzip.compress(body, compresslevel=1)
        more["Content-Encoding"] = "gzip"
    return _bytes(HTTPStatus.OK, content_type, body, more)


def _message(status: HTTPStatus, text: str | None = None, **more: str) -> bytes:
    return _bytes(status, _TEXT, f"{text or status.phrase}\n".encode(), more)


def _bytes(status: HTTPStatus, content_type: str, body: bytes, more: dict[str, str]) -> bytes:
    fields = {"Content-Type": content_type, "Content-Length": str(len(body)), "Connection": "close", **more}
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body
