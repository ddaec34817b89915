"""`python -m services.embedder`: an embedding for every accepted face of the stream."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from services.embedder.loading import load_embedder
from services.embedder.settings import EmbedderSettings
from services.embedder.step import Cropped, crop, embed
from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.stream import KafkaStream
from shared.adapters.minio.settings import MinioSettings
from shared.adapters.minio.store import MinioStore
from shared.domain.events import FacesEmbedded, FacesScreened
from shared.domain.topics import FACES_EMBEDDED, FACES_SCREENED
from shared.metrics import MODEL
from shared.model_files import FACENET, located
from shared.settings import BucketSettings
from shared.stream.cloudevents import one_event
from shared.stream.photo_processor import PhotoProcessor
from shared.stream.service import service
from shared.stream.worker import WorkerSettings

_BATCH = 64  # photographs


def main() -> None:
    """Embed until SIGTERM or SIGINT."""
    with service("embedder") as embedder:
        kafka, store, buckets = KafkaSettings(), MinioSettings(), BucketSettings()
        objects = MinioStore(store)
        settings, worker = EmbedderSettings(), WorkerSettings.preferring(batch=_BATCH)
        network = load_embedder(settings.model or located(FACENET), settings)
        MODEL.info({"model_id": network.model_id, "device": network.device, "precision": network.precision})
        with ThreadPoolExecutor(store.connections) as threads:

            def cropped(photo: FacesScreened) -> Cropped:
                return crop(photo, objects, network.input_size, buckets)

            def embedded(photos: Sequence[Cropped]) -> Sequence[FacesEmbedded]:
                return embed(photos, network)

            processor = PhotoProcessor(
                service=embedder.name,
                parse=one_event(FacesScreened),
                load=cropped,
                finish=embedded,
                output=FACES_EMBEDDED,
                threads=threads,
                on_start=partial(objects.reach, buckets.faces),
            )
            stream = KafkaStream(kafka, embedder.name, embedder.instance, [FACES_SCREENED.name])
            embedder.run(stream, processor, worker, stall_timeout=kafka.max_poll_interval)


if __name__ == "__main__":
    main()
