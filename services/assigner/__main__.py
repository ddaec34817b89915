"""`python -m services.assigner`: the person of every face of the stream."""

from services.assigner.processor import Assigner
from shared.adapters.kafka.stream import KafkaSettings, KafkaStream
from shared.adapters.minio.store import MinioSettings, MinioStore
from shared.adapters.mongo.repository import MongoRepository, MongoSettings
from shared.domain.matching import AssignerSettings
from shared.domain.topics import FACES_EMBEDDED
from shared.settings import BucketSettings
from shared.stream.service import service
from shared.stream.worker import WorkerSettings


def main() -> None:
    """Assign until told to stop."""
    with service("assigner") as it, MongoRepository(MongoSettings()) as repository:
        kafka, objects, buckets = KafkaSettings(), MinioStore(MinioSettings()), BucketSettings()
        assigner = Assigner(repository, objects, AssignerSettings(), buckets)
        stream = KafkaStream(kafka, it.name, it.instance, [FACES_EMBEDDED.name])

        def prepare() -> None:
            objects.reach(buckets.faces)
            assigner.prepare(stream.is_committed)

        worker = WorkerSettings.preferring(batch=1000)
        it.run(
            stream,
            assigner.step,
            worker,
            stall_timeout=kafka.max_poll_interval,
            prepare=prepare,
            committed=assigner.committed,
            ahead=assigner.ahead,
            idle=assigner.look,
        )


if __name__ == "__main__":
    main()
