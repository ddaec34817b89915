"""A login in front of a server of MongoDB's protocol that has none: SCRAM-SHA-256 (RFC 7677).

Work-around for both servers (nx-27017, mongo-java-server): neither knows users. Before the login, requests are refused
with MongoDB's error code. After it they are passed on, except the commands that make users: `mongo_users.py` answers
these, and only to the first user. Roles are stored, not enforced; `mongo_roles.py` enforces them.
"""

import base64
import hashlib
import hmac
import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any

import bson

from tools.stack.mongo_users import COMMANDS, Users

_ROUNDS = 4096
_HEADER = 16  # bytes: length, number, number that is answered, kind; each a little-endian int32
_MESSAGE = 2013  # OP_MSG
_OPEN_TO_ALL = {"hello", "ismaster", "isMaster", "ping"}


@dataclass
class Login:
    """The first user, who may make others."""

    user: str = "facestream"
    password: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    salt: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    port: int = 0
    logins: int = 0
    users: Users = field(default_factory=Users)

    def password_of(self, user: str) -> str | None:
        """Return the password of a user, None for an unknown user."""
        return self.password if user == self.user else self.users.passwords.get(user)


class _Conversation:
    """The server's part of one login."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._transcript: list[str] = []
        self._nonce = ""
        self._password = ""
        self.user = ""
        self.done = False

    def start(self, payload: bytes) -> bytes | None:
        """Answer `n,,n=user,r=nonce`; None for an unknown user."""
        bare = payload.decode().removeprefix("n,,")
        parts = _parts(bare)
        password = self._login.password_of(parts["n"])
        if password is None:
            return None
        self.user, self._password = parts["n"], password
        self._nonce = parts["r"] + secrets.token_hex(12)
        answer = f"r={self._nonce},s={base64.b64encode(self._login.salt).decode()},i={_ROUNDS}"
        self._transcript = [bare, answer]
        return answer.encode()

    def go_on(self, payload: bytes) -> bytes | None:
        """Answer `c=biws,r=nonce,p=proof`; None where the password is another one."""
        parts = _parts(payload.decode())
        about = ",".join([*self._transcript, f"c={parts['c']},r={parts['r']}"]).encode()
        salted = hashlib.pbkdf2_hmac("sha256", self._password.encode(), self._login.salt, _ROUNDS)
        client, server = (_mac(salted, name) for name in (b"Client Key", b"Server Key"))
        signature = _mac(hashlib.sha256(client).digest(), about)
        proof = bytes(ours ^ theirs for ours, theirs in zip(client, signature, strict=True))
        if parts["r"] != self._nonce or base64.b64decode(parts["p"]) != proof:
            return None
        self.done = True
        return b"v=" + base64.b64encode(_mac(server, about))


def _parts(text: str) -> Mapping[str, str]:
    return {part[0]: part[2:] for part in text.split(",")}


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


@contextmanager
def guarded(port: int) -> Iterator[Login]:
    """Give a login and the port where it is asked for; behind it is `port` of this machine."""
    login = Login()

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            conversation = _Conversation(login)
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as inside:
                while request := _received(self.request):
                    answer = _answer(login, conversation, request)
                    if answer is None:
                        inside.sendall(request)
                        self.request.sendall(_received(inside))
                    else:
                        login.logins += "v=" in str(answer.get("payload", ""))
                        self.request.sendall(_message(answer, request[4:8]))

    class Server(ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        login.port = server.server_address[1]
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield login
        finally:
            server.shutdown()


def _answer(login: Login, conversation: _Conversation, request: bytes) -> dict[str, Any] | None:
    """Return the answer to a request, or None for a request that is passed on."""
    if int.from_bytes(request[12:16], "little") != _MESSAGE:
        return None  # an old greeting
    command = bson.decode(request[_HEADER + 5 : _HEADER + 5 + int.from_bytes(request[21:25], "little")])
    name = next(iter(command))
    if name in ("saslStart", "saslContinue"):
        step = conversation.start if name == "saslStart" else conversation.go_on
        payload = step(command["payload"])
        if payload is None:
            return {"ok": 0.0, "code": 18, "codeName": "AuthenticationFailed", "errmsg": "Authentication failed."}
        return {"ok": 1.0, "conversationId": 1, "done": conversation.done, "payload": payload}
    if conversation.done and name in COMMANDS:
        return login.users.answer(command) if conversation.user == login.user else _unauthorized(name)
    if conversation.done or name in _OPEN_TO_ALL:
        return None
    return _unauthorized(name)


def _unauthorized(name: str) -> dict[str, Any]:
    return {"ok": 0.0, "code": 13, "codeName": "Unauthorized", "errmsg": f"{name} requires authentication"}


def _message(document: Mapping[str, Any], answered: bytes) -> bytes:
    body = bytes(5) + bson.encode(document)
    length, kind = (number.to_bytes(4, "little") for number in (_HEADER + len(body), _MESSAGE))
    return length + bytes(4) + answered + kind + body


def _received(connection: socket.socket) -> bytes:
    """Return the next message, nothing at the end."""
    content = b""
    while len(content) < (wanted := int.from_bytes(content[:4], "little") if len(content) >= _HEADER else _HEADER):
        more = connection.recv(wanted - len(content))
        if not more:
            return b""
        content += more
    return content
