"""`python -m services.assigner`: assigns a person to every face of the stream."""

from functools import partial

from services.assigner.processor import AssignerProcessor
from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.stream import KafkaStream
from shared.adapters.minio.settings import MinioSettings
from shared.adapters.minio.store import MinioStore
from shared.adapters.mongo.repository import MongoRepository
from shared.adapters.mongo.settings import MongoSettings
from shared.domain.matching import AssignerSettings
from shared.domain.topics import FACES_EMBEDDED
from shared.settings import BucketSettings
from shared.stream.service import service
from shared.stream.worker import WorkerSettings

_BATCH = 1000  # photographs: each batch takes a few requests to the database, whatever its size


def main() -> None:
    """Process records until SIGTERM or SIGINT."""
    with service("assigner") as assigner, MongoRepository(MongoSettings()) as repository:
        kafka, objects, buckets = KafkaSettings(), MinioStore(MinioSettings()), BucketSettings()
        stream = KafkaStream(kafka, assigner.name, assigner.instance, [FACES_EMBEDDED.name])
        processor = AssignerProcessor(
            repository=repository,
            objects=objects,
            settings=AssignerSettings(),
            crops=buckets.faces,
            is_committed=stream.is_committed,
            on_start=partial(objects.reach, buckets.faces),
        )
        worker = WorkerSettings.preferring(batch=_BATCH)
        assigner.run(stream, processor, worker, stall_timeout=kafka.max_poll_interval)


if __name__ == "__main__":
    main()
