"""`python -m services.detector`: the faces of every photograph that is put into the bucket."""

from services.detector.faces import FaceFinder
from services.detector.settings import DetectorSettings
from services.detector.step import detect
from shared.adapters.kafka import KafkaSettings, KafkaStream
from shared.adapters.minio import MinioSettings, MinioStore
from shared.bucket_notification import bucket_events
from shared.models import LANDMARKS, located
from shared.service import service
from shared.settings import BucketSettings
from shared.streaming import photo_step
from shared.topics import FACES_DETECTED, IMAGES_UPLOADED
from shared.worker import WorkerSettings


def main() -> None:
    """Detect until told to stop."""
    with service("detector") as it:
        kafka, objects, buckets = KafkaSettings(), MinioStore(MinioSettings()), BucketSettings()
        settings, worker = DetectorSettings(), WorkerSettings.preferring(batch=8)
        finder = FaceFinder(located(LANDMARKS), settings)
        step = photo_step(
            it.name, bucket_events, lambda events: detect(events, objects, finder, settings, buckets), FACES_DETECTED
        )
        stream = KafkaStream(kafka, it.name, it.instance, [IMAGES_UPLOADED.name])

        def reach() -> None:
            objects.reach(buckets.photos)
            objects.reach(buckets.faces)

        it.run(stream, step, worker, longest_silence=kafka.max_poll_interval, prepare=reach)


if __name__ == "__main__":
    main()
