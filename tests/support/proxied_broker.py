"""A broker behind a proxy that changes or drops its answers.

A metadata answer without brokers is like that of a broker that has just started and knows no brokers yet.
"""

import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Thread

from tools.stack import KafkaServer
from tools.stack.ports import free_port

ADD_OFFSETS_TO_TRANSACTION, END_TRANSACTION = 25, 26  # API keys of these requests
_METADATA = 3
_FLEXIBLE = 9  # its first version with compact arrays


@dataclass
class ProxiedBroker(KafkaServer):
    """Kafka behind a proxy on `proxy_port`.

    `forgetful`: whether metadata answers lack the brokers. `unanswered`: the API key of requests that get no answer.
    """

    proxy_port: int = field(default_factory=free_port)
    forgetful: bool = False
    unanswered: int | None = None
    _clients: list[socket.socket] = field(default_factory=list)

    @property
    def proxied(self) -> str:
        """The address for clients."""
        return f"127.0.0.1:{self.proxy_port}"

    def settings(self) -> dict[str, object]:
        internal = f"INTERNAL://127.0.0.1:{self.internal_port}"
        return super().settings() | {"advertised.listeners": f"CLIENTS://{self.proxied},{internal}"}

    def listen(self) -> None:
        """Accept connections and pass requests and answers on."""
        listening = socket.create_server(("127.0.0.1", self.proxy_port))
        Thread(target=self._accept, args=(listening,), daemon=True).start()

    def disconnect(self) -> None:
        """Break all connections; clients may make new ones at once."""
        while self._clients:
            with suppress(OSError):  # it is closed already
                self._clients.pop().shutdown(socket.SHUT_RDWR)

    def _accept(self, listening: socket.socket) -> None:
        while True:
            client, _ = listening.accept()
            try:
                broker = socket.create_connection(("127.0.0.1", self.port))
            except OSError:
                client.close()
                continue
            self._clients.append(client)
            asked: dict[int, tuple[int, int]] = {}  # the kinds and versions of requests, by their numbers
            Thread(target=self._pass_requests, args=(client, broker, asked), daemon=True).start()
            Thread(target=self._pass_answers, args=(broker, client, asked), daemon=True).start()

    def _pass_requests(self, client: socket.socket, broker: socket.socket, asked: dict[int, tuple[int, int]]) -> None:
        with client, broker, suppress(OSError):
            while True:
                message = _read(client)
                kind, version, number = struct.unpack(">hhi", message[:8])
                asked[number] = kind, version
                _write(broker, message)

    def _pass_answers(self, broker: socket.socket, client: socket.socket, asked: dict[int, tuple[int, int]]) -> None:
        with client, broker, suppress(OSError):
            while True:
                message = _read(broker)
                kind, version = asked.pop(struct.unpack(">i", message[:4])[0])
                if kind == self.unanswered:
                    continue
                if kind == _METADATA and self.forgetful:
                    assert version >= _FLEXIBLE
                    message = _without_brokers(message)
                _write(client, message)


def _without_brokers(answer: bytes) -> bytes:
    """Return an answer with an empty array where it has brokers: number, tags, throttle time, brokers, ..."""
    start = 4 + 1 + 4
    count, at = _varint(answer, start)
    for _ in range(count - 1):
        length, at = _varint(answer, at + 4)  # the broker's number; its host
        length, at = _varint(answer, at + length - 1 + 4)  # its port; its rack, 0 for none
        _, at = _varint(answer, at + max(0, length - 1))  # tags, of which there are none
    return answer[:start] + b"\x01" + answer[at:]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if not data[at - 1] & 0x80:
            return value, at


def _read(connection: socket.socket) -> bytes:
    (length,) = struct.unpack(">i", _exactly(connection, 4))
    return _exactly(connection, length)


def _exactly(connection: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        more = connection.recv(length - len(data))
        if not more:
            raise ConnectionError
        data += more
    return data


def _write(connection: socket.socket, message: bytes) -> None:
    connection.sendall(struct.pack(">i", len(message)) + message)
