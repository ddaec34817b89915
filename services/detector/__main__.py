"""`python -m services.detector`: the faces of every photograph that is put into the bucket."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from services.detector import decoder_memory as memory
from services.detector.given_up import given_up
from services.detector.photo_detector import PhotoDetector
from services.detector.photo_pool import PhotoPool
from services.detector.settings import DetectorProcesses, DetectorSettings
from services.detector.step import detect
from shared.adapters.kafka.stream import KafkaSettings, KafkaStream
from shared.adapters.minio.store import MinioSettings, MinioStore
from shared.domain.events import FacesDetected
from shared.domain.topics import FACES_DETECTED, IMAGES_UPLOADED
from shared.model_files import LANDMARKS, located
from shared.photos.photo_rule import PhotoRule, PhotoSettings
from shared.settings import BucketSettings
from shared.stream.bucket_notifications import Notice, bucket_events
from shared.stream.photo_processor import PhotoStep
from shared.stream.service import service
from shared.stream.worker import WorkerSettings

_BATCH = 8  # photographs for each process: a second, which is seldom enough for the broker and often enough for people
_IN_HAND = 2  # photographs beside those in the processes: one is read while the crops of another one are stored


def main() -> None:
    """Detect until a signal stops the service."""
    with service("detector") as it:
        kafka, objects, buckets = KafkaSettings(), MinioStore(MinioSettings()), BucketSettings()
        settings, pool = DetectorSettings(), DetectorProcesses()
        rule = PhotoRule.of(PhotoSettings())
        worker = WorkerSettings.preferring(batch=_BATCH * pool.processes)
        pool.check_silence(worker.batch, kafka.max_poll_interval)
        settings = memory.of_service(settings, pool.processes, pool.processes + _IN_HAND)
        detector = PhotoDetector(located(LANDMARKS), settings)
        with (
            ThreadPoolExecutor(pool.processes + _IN_HAND) as threads,
            PhotoPool(pool.processes, pool.photo_timeout, detector.load, settings.memory) as processes,
        ):
            find = partial(processes.call, detector.detect)

            def detected(notice: Notice) -> FacesDetected | None:
                return detect(notice, objects, find, settings, buckets)

            def prepare() -> None:
                processes.ready()
                objects.reach(buckets.photos)
                objects.reach(buckets.faces)

            read = partial(bucket_events, bucket=buckets.photos, rule=rule)
            step = PhotoStep(it.name, read, detected, list, FACES_DETECTED, threads)
            stream = KafkaStream(kafka, it.name, it.instance, [IMAGES_UPLOADED.name])
            it.run(
                stream,
                step,
                worker,
                stall_timeout=kafka.max_poll_interval,
                prepare=prepare,
                ahead=step.ahead,
                give_up=partial(given_up, service=it.name, read=read, detected=detected),
            )


if __name__ == "__main__":
    main()
