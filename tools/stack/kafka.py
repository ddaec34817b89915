"""Kafka as one process that is both broker and controller (KRaft)."""

import secrets
import shutil
import socket
import subprocess
import uuid
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tools.stack.certificates import Certificates
from tools.stack.install import java, kafka_jars
from tools.stack.ports import free_port
from tools.stack.server import Server

_LOGGING = """\
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %m (%c)%n
rootLogger.level = WARN
rootLogger.appenderRef.console.ref = console
"""
# The log of the authorizer: refused requests, and from level DEBUG on also allowed ones.
_AUDIT = """\
appender.audit.type = File
appender.audit.name = audit
appender.audit.fileName = {file}
appender.audit.layout.type = PatternLayout
appender.audit.layout.pattern = %m%n
logger.audit.name = kafka.authorizer.logger
logger.audit.level = DEBUG
logger.audit.additivity = false
logger.audit.appenderRef.audit.ref = audit
"""


@dataclass
class KafkaServer(Server):
    """A broker that does not create topics by itself.

    `session_timeout`: seconds after which a killed consumer loses its partitions. It is set for the group protocol of
    KIP-848; in the classic protocol the client sets it, and may choose as short a time. With `certificates`, clients
    need TLS and log in with SCRAM-SHA-512 as `user` with `password`. With `authorizing`, clients log in without TLS as
    well, and users other than `user` have only the rights of access lists.
    """

    controller_port: int = field(default_factory=free_port)
    internal_port: int = field(default_factory=free_port)
    session_timeout: float = 6.0
    certificates: Certificates | None = None
    authorizing: bool = False
    user: str = "facestream"
    password: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    @property
    def bootstrap_servers(self) -> str:
        """The address for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def client_settings(self) -> dict[str, str]:
        """The settings with which a client of confluent-kafka connects as `user`."""
        plain = {"bootstrap.servers": self.bootstrap_servers}
        if self.security == "PLAINTEXT":
            return plain
        login = {
            "security.protocol": self.security,
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": self.user,
            "sasl.password": self.password,
        }
        trusted = {"ssl.ca.location": str(self.certificates.ca_file)} if self.certificates else {}
        return plain | login | trusted

    @property
    def security(self) -> str:
        """The security protocol of clients."""
        if self.certificates:
            return "SASL_SSL"
        return "SASL_PLAINTEXT" if self.authorizing else "PLAINTEXT"

    @property
    def audit(self) -> Path:
        """The file where the authorizer writes a line for each right that a user has used or lacked."""
        return self.folder / "audit.log"

    def command(self) -> list[str]:
        """Return the command line; formats the data folder before the first start."""
        program, classpath = java(), f"{kafka_jars()}/*"
        properties = self.folder / "server.properties"
        properties.write_text("".join(f"{name}={value}\n" for name, value in self.settings().items()))
        logging = self.folder / "log4j2.properties"
        logging.write_text(_LOGGING + _AUDIT.format(file=self.audit) * self.authorizing)
        options = [f"-Dlog4j2.configurationFile={logging}", "-cp", classpath]
        if not (self.folder / "data" / "meta.properties").exists():
            cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            shutil.rmtree(self.folder / "data", ignore_errors=True)
            storage = [
                program,
                *options,
                "kafka.tools.StorageTool",
                "format",
                f"--cluster-id={cluster}",
                "-c",
                str(properties),
            ]
            storage += ["--add-scram", f"SCRAM-SHA-512=[name={self.user},password={self.password}]"]
            done = subprocess.run(storage, capture_output=True, text=True, check=False)
            if done.returncode:
                msg = f"Kafka could not format its data folder:\n{done.stdout[-1500:]}{done.stderr[-1500:]}"
                raise RuntimeError(msg)
        return [program, "-Xmx512m", *options, "kafka.Kafka", str(properties)]

    def settings(self) -> dict[str, object]:
        """Return `server.properties`."""
        listeners = f"CLIENTS://{self.bootstrap_servers},INTERNAL://127.0.0.1:{self.internal_port}"
        session = round(self.session_timeout * 1000)
        heartbeat = min(5000, session // 4)
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller_port}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "INTERNAL",
            "listeners": f"{listeners},CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": listeners,
            "listener.security.protocol.map": f"CLIENTS:{self.security},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": self.folder / "data",
            "auto.create.topics.enable": "false",
            # One broker holds the only copy of everything. Few partitions of the internal topics start faster.
            "default.replication.factor": 1,
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            # Waiting times that spare a large cluster work would only slow down tests.
            "group.initial.rebalance.delay.ms": 0,
            "transaction.abort.timed.out.transaction.cleanup.interval.ms": 500,
            "group.consumer.session.timeout.ms": session,
            "group.consumer.min.session.timeout.ms": min(1000, session),
            "group.consumer.max.session.timeout.ms": max(60_000, session),
            "group.consumer.heartbeat.interval.ms": heartbeat,
            "group.consumer.min.heartbeat.interval.ms": min(250, heartbeat),
            "group.min.session.timeout.ms": 1000,
        } | self._security()

    def _security(self) -> dict[str, object]:
        settings: dict[str, object] = {} if self.security == "PLAINTEXT" else self._logins()
        if self.certificates:
            settings |= {
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": self.certificates.folder / "both.pem",
            }
        if self.authorizing:
            settings |= {
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                # The broker connects to itself without a login.
                "super.users": f"User:{self.user};User:ANONYMOUS",
            }
        return settings

    def _logins(self) -> dict[str, object]:
        login = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        return {
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.clients.scram-sha-512.sasl.jaas.config": login,
        }

    def healthy(self) -> bool:
        """Return whether the broker lists its topics."""
        try:
            # First without the client, which would log every refused connection.
            socket.create_connection(("127.0.0.1", self.port), timeout=2).close()
            self.admin().list_topics(timeout=5)
        except (OSError, KafkaException):
            return False
        return True

    def admin(self) -> AdminClient:
        """Return an admin client of `user`."""
        return AdminClient({**self.client_settings, "log_level": 0})

    def create_topic(self, name: str, partitions: int = 1) -> None:
        """Create a topic unless it exists."""
        admin = self.admin()
        if name not in admin.list_topics(timeout=10).topics:
            for done in admin.create_topics([NewTopic(name, partitions, 1)]).values():
                done.result(timeout=30)
