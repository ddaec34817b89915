"""`python -m services.quality`: a verdict for every face of the stream."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from services.quality.settings import QualitySettings
from services.quality.step import screen
from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.stream import KafkaStream
from shared.adapters.minio.settings import MinioSettings
from shared.adapters.minio.store import MinioStore
from shared.domain.events import FacesDetected, FacesScreened
from shared.domain.topics import FACES_DETECTED, FACES_SCREENED
from shared.settings import BucketSettings
from shared.stream.cloudevents import one_event
from shared.stream.photo_processor import PhotoProcessor
from shared.stream.service import service
from shared.stream.worker import WorkerSettings

_BATCH = 64  # photographs


def main() -> None:
    """Screen faces until SIGTERM or SIGINT."""
    with service("quality") as quality:
        kafka, store, buckets = KafkaSettings(), MinioSettings(), BucketSettings()
        objects = MinioStore(store)
        settings, worker = QualitySettings(), WorkerSettings.preferring(batch=_BATCH)
        with ThreadPoolExecutor(store.connections) as threads:

            def screened(photo: FacesDetected) -> FacesScreened:
                return screen(photo, objects, settings, buckets)

            processor = PhotoProcessor(
                service=quality.name,
                parse=one_event(FacesDetected),
                load=screened,
                finish=list,
                output=FACES_SCREENED,
                threads=threads,
                on_start=partial(objects.reach, buckets.faces),
            )
            stream = KafkaStream(kafka, quality.name, quality.instance, [FACES_DETECTED.name])
            quality.run(stream, processor, worker, stall_timeout=kafka.max_poll_interval)


if __name__ == "__main__":
    main()
