"""Processes of the copy service: number N copies topic `in-N` to `out-N`."""

import os
import sys
from pathlib import Path
from uuid import uuid4

from confluent_kafka import Consumer, TopicPartition

from tools.samples import ROOT
from tools.stack import KafkaServer
from tools.stack.process import Process, start


def create_topics(broker: KafkaServer, count: int) -> None:
    """Create both topics of `count` services."""
    for number in range(count):
        broker.create_topic(f"in-{number}")
        broker.create_topic(f"out-{number}")


class CopyServices:
    """One process for each pair of topics."""

    def __init__(self, bootstrap_servers: str, folder: Path, count: int) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._folder = folder
        self._count = count
        self._processes: dict[int, Process] = {}

    def start_missing(self) -> None:
        """Start every process that does not run."""
        for number in range(self._count):
            if number not in self._processes or not self._processes[number].running():
                self._processes[number] = self._start(number)

    def ended(self) -> list[str]:
        """Return the logs of the processes that have ended by themselves and were not started again."""
        return [process.log() for process in self._processes.values() if not process.running()]

    def stop(self) -> None:
        for process in self._processes.values():
            process.stop()

    def _start(self, number: int) -> Process:
        folder = self._folder / str(number)
        folder.mkdir(exist_ok=True)
        where = {"FACESTREAM_KAFKA_BOOTSTRAP_SERVERS": self._bootstrap_servers, "PYTHONPATH": str(ROOT)}
        command = [
            *(sys.executable, "-m", "tests.support.copy_service"),
            *(f"copier-{number}", "0", f"in-{number}", f"out-{number}"),
        ]
        return start(command, {**os.environ, **where}, folder)


def written(bootstrap_servers: str, number: int) -> list[bytes]:
    """Return the committed values of topic `out-<number>`."""
    group = {"group.id": uuid4().hex, "enable.auto.commit": False, "enable.partition.eof": True}
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, **group})
    consumer.assign([TopicPartition(f"out-{number}", 0, 0)])
    found: list[bytes] = []
    while True:
        for message in consumer.consume(100, 0.5):
            if message.error():
                consumer.close()
                return found
            found.append(message.value() or b"")
