"""The health port among strangers: who says nothing holds nobody up, and every question gets its answer."""

import gzip
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import psutil
import pytest
import urllib3
from hypothesis import given, settings
from hypothesis import strategies as st

import shared.metrics  # noqa: F401  what is asked for here
from shared.stream.health import Health, serve
from tools.stack.ports import free_port

_MANY = 400
_DEADLINE = 30  # seconds; far beyond what any answer takes


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    health, port = Health(stall_timeout=600), free_port()
    health.ready = True
    server = serve(health, "127.0.0.1", port)
    yield port
    server.close()


def _connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=_DEADLINE)


def _said(port: int, request: bytes) -> tuple[bytes, bytes]:
    """Send bytes, and return the status line and the rest of what comes until the end."""
    with _connected(port) as connection:
        connection.sendall(request)
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    first, _, rest = answer.partition(b"\r\n")
    return first, rest


def _get(port: int, path: str, method: str = "GET", **headers: str) -> urllib3.BaseHTTPResponse:
    return urllib3.request(
        method,
        f"http://127.0.0.1:{port}{path}",
        headers=headers,
        retries=False,
        timeout=_DEADLINE,
        decode_content=False,
    )


def test_400_half_open_connections_take_no_threads_and_keep_no_probe_waiting(port: int) -> None:
    threads, files = threading.active_count(), psutil.Process().num_fds()
    with ExitStack() as stack:
        for number in range(_MANY):
            held = stack.enter_context(_connected(port))
            held.sendall(b"GET /liv")
            if number % 20 == 0:
                assert _get(port, "/livez").status == 200
        assert [_get(port, path).status for path in ("/livez", "/readyz", "/metrics")] == [200] * 3
        assert threading.active_count() <= threads + 1
        assert psutil.Process().num_fds() < files + _MANY + 300, "those of the server are bounded"


def test_who_does_not_finish_a_request_is_left_after_a_while(port: int) -> None:
    with _connected(port) as silent, _connected(port) as slow:
        slow.sendall(b"GET /livez HTTP/1.1\r\nHost: a")
        for connection in (silent, slow):
            with suppress(ConnectionResetError):
                assert connection.recv(100) == b""


def test_closing_cuts_off_who_has_not_finished_a_request_and_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    server = serve(Health(stall_timeout=600), "127.0.0.1", port)
    with _connected(port) as silent, _connected(port) as half:
        half.sendall(b"GET /livez HTTP/1.1\r\n")
        assert _get(port, "/livez").status == 200  # so both are known by now
        server.close()
        for connection in (silent, half):
            with suppress(ConnectionResetError):
                assert connection.recv(1) == b""
    assert caplog.records == []


def test_a_head_that_is_too_long_is_refused(port: int) -> None:
    for request in (b"GET /" + b"a" * 100_000, b"GET /livez HTTP/1.1\r\n" + b"A: b\r\n" * 10_000):
        with _connected(port) as connection:
            connection.sendall(request)
            assert connection.recv(100).startswith(b"HTTP/1.1 431 ")
    first, _ = _said(port, b"GET /livez HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n")
    assert first.startswith(b"HTTP/1.1 400 "), "too many headers"


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /livez HTTP/1.0", 200),
        (b"GET /livez?verbose HTTP/1.1", 200),
        (b"HEAD /livez HTTP/1.1", 200),
        (b"GET / HTTP/1.1", 404),
        (b"GET /livez/ HTTP/1.1", 404),
        (b"GET //livez HTTP/1.1", 404),
        (b"GET http://elsewhere/livez HTTP/1.1", 404),
        (b"POST /nothing HTTP/1.1", 404),
        (b"POST /livez HTTP/1.1", 405),
        (b"get /livez HTTP/1.1", 405),
        (b"OPTIONS /metrics HTTP/1.1", 405),
        (b"GET /livez", 400),
        (b"GET /livez HTTP/1.1 and more", 400),
        (b"\xff /livez HTTP/1.1", 400),
        (b"", 400),
        (b"\x16\x03\x01\x02\x00", 400),
        (b"PRI * HTTP/2.0", 505),
    ],
)
def test_a_question_gets_its_status(port: int, request_line: bytes, status: int) -> None:
    first, _ = _said(port, request_line + b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.")
    assert int(first.split()[1]) == status


def test_a_method_that_is_not_answered_is_told_those_that_are(port: int) -> None:
    assert _get(port, "/metrics", "DELETE").headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/nothing"])
def test_head_is_get_without_the_body(port: int, path: str) -> None:
    got, head = _get(port, path), _get(port, path, "HEAD")
    assert (head.status, head.data) == (got.status, b"")
    assert head.headers["Content-Type"] == got.headers["Content-Type"]
    assert int(got.headers["Content-Length"]) == len(got.data) > 0
    assert int(head.headers["Content-Length"]) > 0


_OPEN = "application/openmetrics-text"


@pytest.mark.parametrize(
    ("accept", "content_type", "version"),
    [
        (None, "text/plain", "0.0.4"),
        ("*/*", "text/plain", "0.0.4"),
        ("text/plain;version=0.0.4", "text/plain", "0.0.4"),
        ("text/plain;version=1.0.0;escaping=allow-utf-8", "text/plain", "1.0.0"),
        (f"{_OPEN};version=1.0.0", _OPEN, "1.0.0"),
        (f"{_OPEN};version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", _OPEN, "1.0.0"),
        (f"{_OPEN};version=wrong", "text/plain", "0.0.4"),
        (f"{_OPEN};version=2.\r\n folded", "text/plain", "0.0.4"),
        ("text/plain;version=é", "text/plain", "0.0.4"),
    ],
)
def test_metrics_come_in_the_format_that_was_asked_for(
    port: int, accept: str | None, content_type: str, version: str
) -> None:
    header = f"Accept: {accept}\r\n" if accept is not None else ""
    first, rest = _said(port, f"GET /metrics HTTP/1.1\r\n{header}\r\n".encode())
    headers, _, body = rest.partition(b"\r\n\r\n")
    assert first == b"HTTP/1.1 200 OK"
    (told,) = (line.decode() for line in headers.split(b"\r\n") if line.startswith(b"Content-Type: "))
    assert told.startswith(f"Content-Type: {content_type}; version={version}; charset=utf-8")
    assert body.endswith(b"# EOF\n") == (content_type == _OPEN)
    names = set(re.findall(r"^\w+", body.decode(), re.MULTILINE))
    assert "facestream_retries_total" in names
    assert not any(name.endswith("_created") for name in names)


def test_metrics_are_compressed_for_whoever_asks_for_it(port: int) -> None:
    plain, packed = _get(port, "/metrics"), _get(port, "/metrics", **{"Accept-Encoding": "deflate, gzip;q=1.0"})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert b"facestream_retries_total" in gzip.decompress(packed.data)
    assert len(packed.data) < len(plain.data)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_answered_or_dropped_and_the_next_question_is_answered(port: int, request_bytes: bytes) -> None:
    first, _ = _said(port, request_bytes + b"\n\r\n")
    assert first.startswith(b"HTTP/1.1 ")
    assert _get(port, "/livez").status == 200
