"""`python -m services.embedder`: a vector for every accepted face of the stream."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from services.embedder.loading import load_embedder
from services.embedder.settings import EmbedderSettings
from services.embedder.step import Cropped, crop, embed
from shared.adapters.kafka.stream import KafkaSettings, KafkaStream
from shared.adapters.minio.store import MinioSettings, MinioStore
from shared.domain.events import FacesEmbedded, FacesScreened
from shared.domain.topics import FACES_EMBEDDED, FACES_SCREENED
from shared.metrics import MODEL
from shared.model_files import FACENET, located
from shared.settings import BucketSettings
from shared.stream.photo_processor import PhotoStep, one
from shared.stream.service import service
from shared.stream.worker import WorkerSettings


def main() -> None:
    """Embed until a signal stops the service."""
    with service("embedder") as it:
        kafka, store, buckets = KafkaSettings(), MinioSettings(), BucketSettings()
        objects = MinioStore(store)
        settings, worker = EmbedderSettings(), WorkerSettings.preferring(batch=64)
        embedder = load_embedder(settings.model or located(FACENET), settings)
        MODEL.info({"model_id": embedder.model_id, "device": embedder.device, "precision": embedder.precision})
        with ThreadPoolExecutor(store.connections) as threads:

            def cropped(photo: FacesScreened) -> Cropped:
                return crop(photo, objects, embedder.input_size, buckets)

            def embedded(photos: Sequence[Cropped]) -> Sequence[FacesEmbedded]:
                return embed(photos, embedder)

            step = PhotoStep(it.name, one(FacesScreened), cropped, embedded, FACES_EMBEDDED, threads)
            it.run(
                KafkaStream(kafka, it.name, it.instance, [FACES_SCREENED.name]),
                step,
                worker,
                stall_timeout=kafka.max_poll_interval,
                prepare=lambda: objects.reach(buckets.faces),
                ahead=step.ahead,
            )


if __name__ == "__main__":
    main()
