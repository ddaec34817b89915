"""`python -m services.reclusterer --once | --every 7d`: recluster all faces, once or on a schedule."""

import argparse
import os
from contextlib import suppress

from services.reclusterer.job import Job, Stopped
from services.reclusterer.settings import JobSettings, ReclustererSettings
from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.writer import RECLUSTERER, KafkaWriter
from shared.adapters.mongo.repository import MongoRepository
from shared.adapters.mongo.settings import MongoSettings
from shared.domain.matching import AssignerSettings
from shared.durations import period_of
from shared.stream.service import service

_LONGEST_PHASE = 6 * 3600.0  # seconds; the timeout of the liveness probe


def main() -> None:
    """Recluster once, or at an interval until a signal stops the process."""
    arguments = argparse.ArgumentParser(prog="python -m services.reclusterer", description=__doc__)
    when = arguments.add_mutually_exclusive_group(required=True)
    when.add_argument("--once", action="store_true", help="Recluster once and exit.")
    when.add_argument(
        "--every",
        metavar="TIME",
        type=period_of,
        help="Recluster at an interval such as 7d, 12h, 30m or 45s, until stopped.",
    )
    chosen = arguments.parse_args()
    with service("reclusterer") as it, MongoRepository(MongoSettings()) as repository, suppress(Stopped):
        it.health.stall_timeout = _LONGEST_PHASE
        kafka = KafkaSettings()
        job = Job(
            repository=repository,
            open_writer=lambda: KafkaWriter(kafka, RECLUSTERER),
            holder=f"{it.instance}/{os.getpid()}",
            clustering=ReclustererSettings(),
            assigner=AssignerSettings(),
            settings=JobSettings(),
            health=it.health,
            stop=it.stop,
        )
        if chosen.once:
            job.once()
        else:
            job.every(chosen.every)


if __name__ == "__main__":
    main()
