"""The lease for commands that change or publish generations: one process has it at a time, as the job does."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from services.reclusterer.generations.lease import AcquiredLease, acquire_lease, heartbeat
from services.reclusterer.settings import JobSettings
from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.writer import RECLUSTERER, KafkaWriter
from shared.ports.repository import FaceRepository


@contextmanager
def lease_of(repository: FaceRepository, settings: JobSettings) -> Iterator[AcquiredLease]:
    """Yield the lease, which keeps out the job and other operators.

    Raises `Busy` while another process has it, and `Transient`.
    """
    holder = f"operator {socket.gethostname()}/{os.getpid()}"
    with acquire_lease(repository, holder, settings) as lease, heartbeat(lease, settings.lease / 4):
        yield lease


@contextmanager
def lease_with_writer(repository: FaceRepository, settings: JobSettings) -> Iterator[tuple[AcquiredLease, KafkaWriter]]:
    """Yield the lease, and a writer to Kafka that shuts out the writer of the process that had the lease before.

    Raises `Busy` while another process has the lease, `InvalidInput`, `Fatal`, and `Transient`.
    """
    kafka = KafkaSettings()
    with lease_of(repository, settings) as lease:
        writer = KafkaWriter(kafka, RECLUSTERER)
        lease.check()
        yield lease, writer
