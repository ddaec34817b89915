"""The right to tell the world of generations, which one process has at a time: the job, or an operator's command."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from services.reclusterer.generations.lease import AcquiredLease, acquire_lease, heartbeat
from services.reclusterer.settings import JobSettings
from shared.adapters.kafka.stream import KafkaSettings
from shared.adapters.kafka.writer import RECLUSTERER, KafkaWriter
from shared.ports.repository import FaceRepository


@contextmanager
def alone(repository: FaceRepository, settings: JobSettings) -> Iterator[AcquiredLease]:
    """Yield the lease, which keeps the job and other operators out. Raises `Busy` while one is at work, `Transient`."""
    holder = f"operator {socket.gethostname()}/{os.getpid()}"
    with acquire_lease(repository, holder, settings) as hold, heartbeat(hold, settings.lease / 4):
        yield hold


@contextmanager
def leading(repository: FaceRepository, settings: JobSettings) -> Iterator[tuple[AcquiredLease, KafkaWriter]]:
    """Yield the lease, and the writer that shuts out whoever had it before.

    Raises `Busy` while somebody else is at work; `InvalidInput`, `Fatal`, `Transient`.
    """
    kafka = KafkaSettings()
    with alone(repository, settings) as hold:
        writer = KafkaWriter(kafka, RECLUSTERER)
        hold.check()
        yield hold, writer
