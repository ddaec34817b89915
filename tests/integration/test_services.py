"""The services as processes: killed, misconfigured, without servers."""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.stream import KafkaStream
from shared.errors import Transient
from tests.support.brokers import InKafka, consume, eventually
from tools.samples import ROOT
from tools.stack.process import Process, start

pytestmark = pytest.mark.slow


@pytest.fixture
def broker(kafka: str) -> Iterator[InKafka]:
    with closing(InKafka(kafka)) as broker:
        yield broker


class Copiers:
    """Processes that copy from one topic to another."""

    def __init__(self, kafka: str, broker: InKafka, folder: Path) -> None:
        self._environment = {**os.environ, "FACESTREAM_KAFKA_BOOTSTRAP_SERVERS": kafka, "PYTHONPATH": str(ROOT)}
        self._broker = broker
        self._folder = folder
        self._name = f"copier-{uuid4().hex[:8]}"
        self.processes: dict[str, Process] = {}

    def start(self, instance: str) -> None:
        folder = self._folder / instance
        folder.mkdir(exist_ok=True)
        command = [
            *(sys.executable, "-m", "tests.support.copy_service"),
            *(self._name, instance, self._broker.source, self._broker.target),
        ]
        self.processes[instance] = start(command, self._environment, folder)

    def stop(self) -> None:
        for process in self.processes.values():
            process.stop()


def test_processes_killed_at_any_moment_lose_no_record_and_write_none_twice(
    kafka: str, broker: InKafka, tmp_path: Path
) -> None:
    chance, wanted = random.Random(7), set[bytes]()  # noqa: S311  moments, no secrets
    copiers = Copiers(kafka, broker, tmp_path)
    try:
        for instance in "ab":
            copiers.start(instance)
        for victim in "abab":
            done = len(wanted)
            for number in range(done, done + 80):
                broker.put(number % 4, b"%d" % number)
                wanted.add(b"%d" % number)
            eventually(lambda done=done: len(broker.written()) > done)  # type: ignore[misc]  # mypy cannot infer it
            time.sleep(chance.uniform(0, 0.3))
            copiers.processes[victim].kill()
            copiers.start(victim)
        eventually(lambda: len(broker.written()) >= len(wanted))
    finally:
        copiers.stop()
    found = Counter(record.value or b"" for record in broker.written())
    assert set(found) == wanted
    assert max(found.values()) == 1


def test_a_member_says_which_topic_is_missing_and_reads_it_when_it_is_there(kafka: str) -> None:
    name = f"late-{uuid4().hex[:8]}"
    with closing(KafkaStream(KafkaSettings(bootstrap_servers=kafka), name, "a", [name])) as stream:
        with pytest.raises(Transient, match=f"no topic {name}; create the topics with `facestream init`"):
            eventually(lambda: bool(stream.consume(1, 0.1)))
        admin = AdminClient({"bootstrap.servers": kafka})
        admin.create_topics([NewTopic(name, 1, 1)])[name].result(30)
        producer = Producer({"bootstrap.servers": kafka})
        producer.produce(name, b"1")
        assert producer.flush(30) == 0
        (record,) = consume(stream, 1)
        assert record.value == b"1"


def run(service: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"services.{service}"],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
        timeout=120,
    )


def test_a_misspelt_variable_ends_a_service_at_its_start_with_status_2_and_one_line() -> None:
    done = run("quality", FACESTREAM_KAFKA_BOOTSTRAP_SERVER="secret-host:9092")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "FACESTREAM_KAFKA_BOOTSTRAP_SERVER: no such setting" in line
    assert "the nearest is FACESTREAM_KAFKA_BOOTSTRAP_SERVERS" in line
    assert "secret-host" not in line


def test_a_setting_that_is_missing_is_named() -> None:
    done = run("quality", FACESTREAM_MINIO_ENDPOINT="minio:9000")
    assert done.returncode == 2
    assert "FACESTREAM_MINIO_ACCESS_KEY" in done.stderr.splitlines()[-1]


def test_a_service_that_reaches_nobody_waits_and_ends_when_it_is_told_to(tmp_path: Path) -> None:
    environment = {
        "FACESTREAM_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "FACESTREAM_MINIO_ENDPOINT": "127.0.0.1:1",
        "FACESTREAM_MINIO_ACCESS_KEY": "a",
        "FACESTREAM_MINIO_SECRET_KEY": "b",
        "PYTHONPATH": str(ROOT),
    }
    process = start([sys.executable, "-m", "services.quality"], {**os.environ, **environment}, tmp_path)
    deadline = time.monotonic() + 60
    while "trying again" not in process.log() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert process.running()
    process.stop()
    assert '"event": "stopped"' in process.log()
