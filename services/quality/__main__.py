"""`python -m services.quality`: a verdict for every face of the stream."""

from services.quality.settings import QualitySettings
from services.quality.step import screen
from shared.adapters.kafka import KafkaSettings, KafkaStream
from shared.adapters.minio import MinioSettings, MinioStore
from shared.events import FacesDetected
from shared.service import service
from shared.settings import BucketSettings
from shared.streaming import one, photo_step
from shared.topics import FACES_DETECTED, FACES_SCREENED
from shared.worker import WorkerSettings


def main() -> None:
    """Judge until told to stop."""
    with service("quality") as it:
        kafka, objects, buckets = KafkaSettings(), MinioStore(MinioSettings()), BucketSettings()
        settings, worker = QualitySettings(), WorkerSettings.preferring(batch=64)
        step = photo_step(
            it.name, one(FacesDetected), lambda photos: screen(photos, objects, settings, buckets), FACES_SCREENED
        )
        stream = KafkaStream(kafka, it.name, it.instance, [FACES_DETECTED.name])
        it.run(
            stream,
            step,
            worker,
            longest_silence=kafka.max_poll_interval,
            prepare=lambda: objects.reach(buckets.faces),
        )


if __name__ == "__main__":
    main()
