"""One small HTTP port: `/livez`, `/readyz`, `/metrics`.

Live is who goes round its loop; a broker or a database that is away is no reason to be restarted. Ready is who has
reached all that it depends on once, and was given partitions.

All connections are one thread's, which waits for their requests with asyncio: who opens many and says nothing takes no
thread, and for a few seconds a file descriptor. Over a bound the one that has waited longest makes room, so a probe,
which speaks at once, is answered also then.
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

_STANDARD_ERROR = 2  # the descriptor
_TIMEOUT = 5.0  # seconds from the connection to its whole request, and again to the answer's last byte
_LONGEST_HEAD = 16 * 1024  # bytes of request line and headers
_CONNECTIONS = 256
_ACCEPTED_AT_ONCE = 100  # so few that a new connection is read before it would have to make room
_PATHS = ("/livez", "/readyz", "/metrics")
_TEXT = "text/plain; charset=utf-8"

# When a counter began is a series beside each counter, which nothing here asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus_client has no types here


class Health:
    """What the port tells; the loop's thread writes it, requests read it."""

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
        """Return whether the loop goes round."""
        return time.monotonic() - self._last_round < self.stall_timeout

    def write_stacks(self) -> None:
        """Write where each thread stands to standard error, once in a stall: who is told of it will end the process.

        Files, lines and functions, no values.
        """
        if self._written_of != self._last_round:
            self._written_of = self._last_round
            faulthandler.dump_traceback(_STANDARD_ERROR)


def serve(health: Health, host: str, port: int) -> "HealthServer":
    """Answer on a port until the process ends, in a thread of its own; raises `InvalidInput` where it is taken."""
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
        # In the order in which they came, each with the task that answers it.
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}
        self._loop = asyncio.new_event_loop()
        self._closing = asyncio.Event()
        self._closed = Event()
        Thread(target=self._run, name="health", daemon=True).start()

    def close(self) -> None:
        """Stop answering and give the port back."""
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
            # An empty line ends the head; there is none behind a request that is one line, as HTTP/0.9 had them.
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
    """Return a header's values with commas between; nothing where an answer could not quote them."""
    values = ", ".join(str(value) for value in headers.get_all(name, []))
    return values if values.isascii() and values.isprintable() else ""


def _metrics(accept: str, accept_encoding: str) -> bytes:
    try:
        encode, content_type = choose_encoder(accept)
    except (TypeError, ValueError):  # prometheus_client 0.26, of a version that is no number
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
