"""The lease for commands that change or publish generations: one process has it at a time, as the job does."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from services.reclusterer.generations.lease import Hold, heartbeat, taken
from services.reclusterer.settings import JobSettings
from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.writer import RECLUSTERER, KafkaWriter
from shared.ports.repository import FaceRepository


@contextmanager
def lease_of(repository: FaceRepository, settings: JobSettings) -> Iterator[Hold]:
    """Yield the lease, which keeps out the job and other operators.

    Raises `Busy` while another process has it, and `Transient`.
    """
    holder = f"operator {socket.gethostname()}/{os.getpid()}"
    with taken(repository, holder, settings) as hold, heartbeat(hold, settings.lease / 4):
        yield hold


@contextmanager
def lease_with_writer(repository: FaceRepository, settings: JobSettings) -> Iterator[tuple[Hold, KafkaWriter]]:
    """Yield the lease, and a writer to Kafka that shuts out the writer of the process that had the lease before.

    Raises `Busy` while another process has the lease, `InvalidInput`, `Fatal`, and `Transient`.
    """
    kafka = KafkaSettings()
    with lease_of(repository, settings) as hold:
        writer = KafkaWriter(kafka, RECLUSTERER)
        hold.check()
        yield hold, writer
