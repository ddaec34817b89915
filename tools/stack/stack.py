"""Kafka, MinIO and MongoDB together, as `python -m tools.stack up` starts them."""

import fcntl
import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tools.stack.kafka import KafkaServer
from tools.stack.minio import MinioServer
from tools.stack.mongo import MongoServer
from tools.stack.runs import RUNS, remove_run
from tools.stack.server import Server

FOLDER = RUNS / "up"
_RECORD = "stack.json"


@dataclass(frozen=True)
class Stack:
    """Kafka, MinIO, which writes its bucket notifications to Kafka, and MongoDB."""

    kafka: KafkaServer
    minio: MinioServer
    mongo: MongoServer

    @property
    def servers(self) -> dict[str, Server]:
        """The servers by name."""
        return {"kafka": self.kafka, "minio": self.minio, "mongo": self.mongo}

    def start(self) -> "Stack":
        """Start all three and create both buckets. Kafka starts first: MinIO needs its topic."""
        self.kafka.start().create_topic(self.minio.topic, partitions=4)
        self.minio.start()
        self.mongo.start()
        client = self.minio.client()
        for bucket in ("photos", "faces"):
            if not client.bucket_exists(bucket):
                client.make_bucket(bucket)
        self.minio.notify("photos")
        return self

    def stop(self) -> None:
        """Stop all three, Kafka last."""
        for server in reversed(self.servers.values()):
            server.stop()

    def environment(self) -> dict[str, str]:
        """Return the environment variables with which services and tests use these servers."""
        minio = self.minio
        return {
            "FACESTREAM_KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "FACESTREAM_MINIO_ENDPOINT": minio.endpoint,
            "FACESTREAM_MINIO_ACCESS_KEY": minio.access_key,
            "FACESTREAM_MINIO_SECRET_KEY": minio.secret_key,
            "FACESTREAM_MONGO_URI": self.mongo.uri,
            "FACESTREAM_TEST_KAFKA": self.kafka.bootstrap_servers,
            "FACESTREAM_TEST_MINIO": f"http://{minio.access_key}:{minio.secret_key}@{minio.endpoint}",
            "FACESTREAM_TEST_MONGO": self.mongo.uri,
        }

    def exports(self) -> str:
        """Return `environment` as `export` lines for a shell."""
        return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in self.environment().items())


def new_stack(folder: Path) -> Stack:
    """Return a stack that is not started yet: data in `folder`, free ports, new credentials."""
    kafka = KafkaServer(folder / "kafka")
    minio = MinioServer(folder / "minio", kafka=kafka.bootstrap_servers)
    return Stack(kafka, minio, MongoServer(folder / "mongo"))


def up() -> Stack:
    """Start a stack that outlives this process, or return the running one."""
    with _locked():
        stack = recorded()
        if stack and all(server.running() for server in stack.servers.values()):
            return stack
        remove_run(FOLDER)  # the rest of a stack of which a server has ended
        FOLDER.mkdir()
        stack = new_stack(FOLDER)
        record = FOLDER / _RECORD
        record.touch(mode=0o600)  # it holds the credentials
        record.write_text(json.dumps({name: asdict(server) for name, server in stack.servers.items()}, default=str))
        try:
            return stack.start()
        except BaseException:
            remove_run(FOLDER)
            raise


def down() -> None:
    """Stop the stack that `up` has started, and remove its data."""
    with _locked():
        remove_run(FOLDER)


def recorded() -> Stack | None:
    """Return the stack that `up` has started, running or not, or None."""
    try:
        record = json.loads((FOLDER / _RECORD).read_text())
    except FileNotFoundError:
        return None
    return Stack(KafkaServer(**record["kafka"]), MinioServer(**record["minio"]), MongoServer(**record["mongo"]))


@contextmanager
def _locked() -> Iterator[None]:
    RUNS.mkdir(parents=True, exist_ok=True)
    with (RUNS / "up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
