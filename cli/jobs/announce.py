"""The work of `facestream announce`: publish everything again that Kafka should contain."""

from datetime import UTC, datetime

from cli.operator_lease import lease_with_writer
from services.reclusterer.generations.reannounce import Reannounced, reannounce
from services.reclusterer.settings import JobSettings
from shared.adapters.mongo.repository import MongoRepository
from shared.adapters.mongo.settings import MongoSettings


def announce_all() -> Reannounced:
    """Publish faces, people and photographs again, and return their numbers.

    Raises `Busy` while the reclusterer is at work, `InvalidInput`, `Fatal`, and `Transient`.
    """
    settings = JobSettings()
    with MongoRepository(MongoSettings()) as repository, lease_with_writer(repository, settings) as (_, writer):
        return reannounce(repository, writer, datetime.now(UTC))
