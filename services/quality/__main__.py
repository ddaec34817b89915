"""`python -m services.quality`: a verdict for every face of the stream."""

from concurrent.futures import ThreadPoolExecutor

from services.quality.settings import QualitySettings
from services.quality.step import screen
from shared.adapters.kafka.stream import KafkaSettings, KafkaStream
from shared.adapters.minio.store import MinioSettings, MinioStore
from shared.domain.events import FacesDetected, FacesScreened
from shared.domain.topics import FACES_DETECTED, FACES_SCREENED
from shared.settings import BucketSettings
from shared.stream.photo_processor import PhotoStep, one
from shared.stream.service import service
from shared.stream.worker import WorkerSettings


def main() -> None:
    """Screen faces until a signal stops the service."""
    with service("quality") as it:
        kafka, store, buckets = KafkaSettings(), MinioSettings(), BucketSettings()
        objects = MinioStore(store)
        settings, worker = QualitySettings(), WorkerSettings.preferring(batch=64)
        with ThreadPoolExecutor(store.connections) as threads:

            def screened(photo: FacesDetected) -> FacesScreened:
                return screen(photo, objects, settings, buckets)

            step = PhotoStep(it.name, one(FacesDetected), screened, list, FACES_SCREENED, threads)
            it.run(
                KafkaStream(kafka, it.name, it.instance, [FACES_DETECTED.name]),
                step,
                worker,
                stall_timeout=kafka.max_poll_interval,
                prepare=lambda: objects.reach(buckets.faces),
                ahead=step.ahead,
            )


if __name__ == "__main__":
    main()
