"""`python -m services.detector`: the faces of every photograph that is uploaded to the bucket."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from services.detector import decoder_memory as memory
from services.detector.given_up import given_up
from services.detector.photo_detector import PhotoDetector
from services.detector.photo_pool import PhotoPool
from services.detector.settings import DetectorProcesses, DetectorSettings
from services.detector.step import detect
from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.stream import KafkaStream
from shared.adapters.minio.settings import MinioSettings
from shared.adapters.minio.store import MinioStore
from shared.domain.events import FacesDetected
from shared.domain.topics import FACES_DETECTED, IMAGES_UPLOADED
from shared.model_files import LANDMARKS, located
from shared.photos.photo_rule import PhotoRule, PhotoSettings
from shared.settings import BucketSettings
from shared.stream.bucket_notifications import BucketNotification, bucket_events
from shared.stream.photo_processor import PhotoProcessor
from shared.stream.service import service
from shared.stream.worker import WorkerSettings

_BATCH = 8  # photographs for each process: about a second, seldom enough for the broker, often enough for users
_EXTRA_THREADS = 2  # beyond one for each process: one reads a photograph while another one stores crops


def main() -> None:
    """Detect until SIGTERM or SIGINT."""
    with service("detector") as detector:
        kafka, objects, buckets = KafkaSettings(), MinioStore(MinioSettings()), BucketSettings()
        settings, pool = DetectorSettings(), DetectorProcesses()
        rule = PhotoRule.of(PhotoSettings())
        worker = WorkerSettings.preferring(batch=_BATCH * pool.processes)
        pool.check_silence(worker.batch, kafka.max_poll_interval)
        settings = memory.of_service(settings, pool.processes, pool.processes + _EXTRA_THREADS)
        photo_detector = PhotoDetector(located(LANDMARKS), settings)
        with (
            ThreadPoolExecutor(pool.processes + _EXTRA_THREADS) as threads,
            PhotoPool(pool.processes, pool.photo_timeout, photo_detector.load, settings.memory) as processes,
        ):
            find = partial(processes.call, photo_detector.detect)

            def detected(notification: BucketNotification) -> FacesDetected | None:
                return detect(notification, objects, find, settings, buckets)

            def start() -> None:
                processes.ready()
                objects.reach(buckets.photos)
                objects.reach(buckets.faces)

            parse = partial(bucket_events, bucket=buckets.photos, rule=rule)
            processor = PhotoProcessor(
                service=detector.name,
                parse=parse,
                load=detected,
                finish=list,
                output=FACES_DETECTED,
                threads=threads,
                on_start=start,
                on_give_up=partial(given_up, service=detector.name, read=parse, detected=detected),
            )
            stream = KafkaStream(kafka, detector.name, detector.instance, [IMAGES_UPLOADED.name])
            detector.run(stream, processor, worker, stall_timeout=kafka.max_poll_interval)


if __name__ == "__main__":
    main()
