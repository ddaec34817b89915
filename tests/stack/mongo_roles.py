"""Roles in front of a server of MongoDB's protocol that has none, each with a port of its own.

What was asked is kept. Refusals have the code that MongoDB uses.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Literal

from tests.stack.mongo_login import command_of, message, received

_READING = {"find", "getMore", "killCursors", "aggregate", "count", "distinct", "listIndexes"}
_WRITING = {"insert", "update", "delete", "findAndModify", "createIndexes"}
_OPEN_TO_ALL = {"hello", "ismaster", "isMaster", "ping", "endSessions", "buildInfo"}
_UNAUTHORIZED = 13
_ALLOWED = {"none": set[str](), "read": _READING, "readWrite": _READING | _WRITING}


@dataclass
class Role:
    """A role, the port by which the server is reached with it, and the commands, with their collections, that came."""

    name: Literal["none", "read", "readWrite"]
    port: int = 0
    asked: set[tuple[str, str]] = field(default_factory=set)

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}/"

    @property
    def used(self) -> str:
        """The least role that would do for what came."""
        commands = {command for command, _ in self.asked}
        return next(name for name, allowed in _ALLOWED.items() if commands <= allowed)


@contextmanager
def limited(port: int, name: Literal["none", "read", "readWrite"]) -> Iterator[Role]:
    """Give a role; behind its port is `port` of this machine."""
    role = Role(name)

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as inside:
                while request := received(self.request):
                    command = _judged(role, request)
                    if command:
                        text = f"not authorized on facestream to execute command {command}"
                        refusal = {"ok": 0.0, "code": _UNAUTHORIZED, "codeName": "Unauthorized", "errmsg": text}
                        self.request.sendall(message(refusal, request[4:8]))
                    else:
                        inside.sendall(request)
                        self.request.sendall(received(inside))

    class Server(ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        role.port = server.server_address[1]
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield role
        finally:
            server.shutdown()


def _judged(role: Role, request: bytes) -> str:
    """Return the name of a command that the role may not give, nothing where it may."""
    command = command_of(request)
    name = next(iter(command)) if command else ""
    if command is None or name in _OPEN_TO_ALL:
        return ""
    role.asked.add((name, str(command[name])))
    return "" if name in _ALLOWED[role.name] else name
