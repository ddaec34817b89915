"""Roles in front of a server of MongoDB's protocol that has none, each with a port of its own.

Work-around for both servers (nx-27017, mongo-java-server): neither knows roles. The commands that came are recorded.
Refusals have MongoDB's error code.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import BinaryIO, Literal

import bson

_HEADER = 16  # bytes: length, number, number that is answered, kind; each a little-endian int32
_MESSAGE = 2013  # OP_MSG
_READING = {"find", "getMore", "killCursors", "aggregate", "count", "distinct", "listIndexes"}
_WRITING = {"insert", "update", "delete", "findAndModify", "createIndexes"}
_OPEN_TO_ALL = {"hello", "ismaster", "isMaster", "ping", "endSessions", "buildInfo"}
_ALLOWED = {"none": set[str](), "read": _READING, "readWrite": _READING | _WRITING}


@dataclass
class Role:
    """A role, the port by which the server is reached with it, and the commands, with their collections, that came."""

    name: Literal["none", "read", "readWrite"]
    port: int = 0
    asked: set[tuple[str, str]] = field(default_factory=set)

    @property
    def uri(self) -> str:
        """The address for clients that have this role."""
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
                asking, answering = self.request.makefile("rb"), inside.makefile("rb")
                while request := _message(asking):
                    if refused := _refused(role, request):
                        self.request.sendall(_refusal(refused, request[4:8]))
                    else:
                        inside.sendall(request)
                        self.request.sendall(_message(answering))

    class Server(ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        role.port = server.server_address[1]
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield role
        finally:
            server.shutdown()


def _message(connection: BinaryIO) -> bytes:
    """Return the next message of a connection, nothing at the end."""
    head = connection.read(4)
    return head and head + connection.read(int.from_bytes(head, "little") - len(head))


def _refused(role: Role, request: bytes) -> str:
    """Return the name of a command that the role may not give, nothing where it may."""
    if int.from_bytes(request[12:16], "little") != _MESSAGE:
        return ""  # an old greeting
    command = bson.decode(request[_HEADER + 5 : _HEADER + 5 + int.from_bytes(request[21:25], "little")])
    name = next(iter(command))
    if name in _OPEN_TO_ALL:
        return ""
    role.asked.add((name, str(command[name])))
    return "" if name in _ALLOWED[role.name] else name


def _refusal(command: str, answered: bytes) -> bytes:
    text = f"not authorized on facestream to execute command {command}"
    body = bytes(5) + bson.encode({"ok": 0.0, "code": 13, "codeName": "Unauthorized", "errmsg": text})
    length, kind = (number.to_bytes(4, "little") for number in (_HEADER + len(body), _MESSAGE))
    return length + bytes(4) + answered + kind + body
