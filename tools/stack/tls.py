"""A TLS proxy in front of a server without TLS.

Work-around for nx-27017, which has no TLS. mongo-java-server has TLS, but the tests use the proxy for both.
"""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread

from tools.stack.certificates import Certificates


@contextmanager
def terminated(certificates: Certificates, port: int) -> Iterator[int]:
    """Listen on a free port with TLS, pass the content on to `port` of this machine, and yield the free port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.folder / "both.pem")

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            with (
                suppress(OSError),  # the client reports a failed handshake; connections may end abruptly
                context.wrap_socket(self.request, server_side=True) as outside,
                socket.create_connection(("127.0.0.1", port)) as inside,
            ):
                back = Thread(target=_pass, args=(inside, outside), daemon=True)
                back.start()
                _pass(outside, inside)
                back.join()

    class Server(ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def _pass(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while content := source.recv(1 << 16):
            target.sendall(content)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
