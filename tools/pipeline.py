"""The four streaming services as processes, on servers of their own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from uuid import uuid4

import urllib3
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from confluent_kafka.cimpl import NewTopic
from pydantic import SecretStr

from shared.adapters.kafka.records import consumed_record
from shared.adapters.minio.store import MinioStore
from shared.adapters.mongo.repository import MongoRepository
from shared.adapters.mongo.settings import MongoSettings
from shared.domain.topics import TOPICS
from shared.ports.streams import ConsumedRecord
from tools.samples import ROOT
from tools.stack.minio import settings_of
from tools.stack.ports import free_port
from tools.stack.process import Process, start
from tools.stack.stack import Stack, new_stack

SERVICES = ("detector", "quality", "embedder", "assigner")
_TIMEOUT = 120.0  # seconds to wait; loading TensorFlow takes ten on a busy machine


@dataclass
class Pipeline:
    """Servers, and the processes of services by name, such as `detector-0`.

    `environment`: variables of all processes. `of_service`: further variables of one service. `ports`: health ports.
    """

    stack: Stack
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    of_service: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    modules: Sequence[Path] = (ROOT,)  # the PYTHONPATH of processes
    processes: dict[str, Process] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def store(self) -> MinioStore:
        """A client of the object store."""
        return MinioStore(settings_of(self.stack.minio))

    @contextmanager
    def repository(self) -> Iterator[MongoRepository]:
        """Open the repository within the block."""
        with MongoRepository(MongoSettings(uri=SecretStr(self.stack.mongo.uri))) as repository:
            yield repository

    def create_topics(self, partitions: int = 4) -> None:
        """Create all missing topics, with at most so many partitions."""
        admin = self.stack.kafka.admin()
        existing = admin.list_topics(timeout=10).topics
        wanted = [
            NewTopic(topic.name, min(partitions, topic.partitions), 1, config=topic.configuration())
            for topic in TOPICS
            if topic.name not in existing
        ]
        for made in admin.create_topics(wanted).values():
            made.result(30)

    def start(self, *services: str, number: int = 0) -> None:
        """Start a process of each service and wait until all are ready."""
        names = [self.launch(service, number) for service in services]
        for name in names:
            self.wait(lambda name=name: self.is_ready(name), name)  # type: ignore[misc]  # mypy cannot infer a lambda with a default

    def launch(self, service: str, number: int, name: str = "") -> str:
        """Start a process and return its name.

        `name`: by default `<service>-<number>`. Another name gives a second process of the same instance.
        """
        name = name or f"{service}-{number}"
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        port = self.ports[name] = free_port()
        environment = {
            **os.environ,
            **self.stack.environment(),
            **self.environment,
            **self.of_service.get(service, {}),
            "FACESTREAM_SERVICE_INSTANCE": str(number),
            "FACESTREAM_SERVICE_HEALTH_HOST": "127.0.0.1",
            "FACESTREAM_SERVICE_HEALTH_PORT": str(port),
            "FACESTREAM_SERVICE_LOG_LEVEL": "DEBUG",
            "PYTHONPATH": os.pathsep.join(map(str, self.modules)),
        }
        self.processes[name] = start([sys.executable, "-m", f"services.{service}"], environment, folder)
        return name

    def recluster(self, min_cluster_size: int, **environment: str) -> None:
        """Run the reclusterer once. `min_cluster_size`: faces. Further arguments are environment variables."""
        settings = {
            "FACESTREAM_RECLUSTERER_MIN_CLUSTER_SIZE": str(min_cluster_size),
            "FACESTREAM_RECLUSTERER_DRAIN_PERIOD": "0",
            "PYTHONPATH": str(ROOT),
        }
        done = subprocess.run(
            [sys.executable, "-m", "services.reclusterer", "--once"],
            env={
                **os.environ,
                **self.stack.environment(),
                **self.environment,
                **self.of_service.get("reclusterer", {}),
                **settings,
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def is_ready(self, name: str) -> bool:
        """Return whether a process reports that it is ready."""
        return self.ask(name, "/readyz")[0] == HTTPStatus.OK

    def ask(self, name: str, path: str) -> tuple[int, str]:
        """Return status and body of an answer of the health port of a process; status 0 if there is no answer."""
        try:
            answer = urllib3.request("GET", f"http://127.0.0.1:{self.ports[name]}{path}", retries=False, timeout=5)
        except urllib3.exceptions.HTTPError:
            return 0, ""
        return answer.status, answer.data.decode()

    def log(self, name: str) -> list[dict[str, object]]:
        """Return the log lines of a process."""
        lines = (self.folder / name / "log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def wait(self, is_true: Callable[[], object], what: str = "") -> None:
        """Wait until `is_true` returns something true; AssertionError at the timeout, or if a process has ended."""
        deadline = time.monotonic() + _TIMEOUT
        while not is_true():
            for name, process in self.processes.items():
                assert process.running(), f"{name} has ended:\n{process.log()}"
            assert time.monotonic() < deadline, f"{what}: did not come within {_TIMEOUT:g} s"
            time.sleep(0.3)

    def read(self, topic: str) -> list[ConsumedRecord]:
        """Return all committed records of a topic, each partition in its order."""
        settings = {**self.stack.kafka.client_settings, "group.id": uuid4().hex, "enable.partition.eof": True}
        consumer = Consumer(settings)
        partitions = consumer.list_topics(topic, 10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
        found, ended = [], 0
        while ended < len(partitions):
            for message in consumer.consume(500, 1):
                if message.error():
                    ended += 1
                else:
                    found.append(consumed_record(message))
        consumer.close()
        return found

    def current(self, topic: str) -> dict[str, bytes | None]:
        """Return the last value of each key of a topic, None for a tombstone."""
        return {(record.key or b"").decode(): record.value for record in self.read(topic)}


@contextmanager
def new_pipeline(folder: Path, services: Sequence[str] = SERVICES, **environment: str) -> Iterator[Pipeline]:
    """Start servers and services, and stop them at the end of the block."""
    stack = new_stack(folder / "stack").start()
    pipeline = Pipeline(stack, folder, environment)
    pipeline.create_topics()
    with pipeline.repository() as repository:
        repository.create_indexes()
    try:
        pipeline.start(*services)
        yield pipeline
    finally:
        for process in pipeline.processes.values():
            process.stop()
        stack.stop()
