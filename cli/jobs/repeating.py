"""`facestream announce`: what was said of faces, people and photographs is said again."""

from datetime import UTC, datetime

from cli.jobs.leading import leading
from services.reclusterer.generations.reannounce import Reannounced, reannounce
from services.reclusterer.settings import JobSettings
from shared.adapters.mongo.repository import MongoRepository, MongoSettings


def repeat_all() -> Reannounced:
    """Say all of it again; raises `Busy` while the reclusterer is at work, `InvalidInput`, `Fatal`, `Transient`."""
    settings = JobSettings()
    with MongoRepository(MongoSettings()) as repository, leading(repository, settings) as (_, writer):
        return reannounce(repository, writer, datetime.now(UTC))
