"""`python -m services.embedder`: a vector for every accepted face of the stream."""

from services.embedder.loading import load_embedder
from services.embedder.settings import EmbedderSettings
from services.embedder.step import embed
from shared.adapters.kafka import KafkaSettings, KafkaStream
from shared.adapters.minio import MinioSettings, MinioStore
from shared.events import FacesScreened
from shared.metrics import MODEL
from shared.models import FACENET, located
from shared.service import service
from shared.settings import BucketSettings
from shared.streaming import one, photo_step
from shared.topics import FACES_EMBEDDED, FACES_SCREENED
from shared.worker import WorkerSettings


def main() -> None:
    """Embed until told to stop."""
    with service("embedder") as it:
        kafka, objects, buckets = KafkaSettings(), MinioStore(MinioSettings()), BucketSettings()
        settings, worker = EmbedderSettings(), WorkerSettings.preferring(batch=64)
        embedder = load_embedder(settings.model or located(FACENET), settings)
        MODEL.info({"model_id": embedder.model_id, "device": embedder.device, "precision": embedder.precision})
        step = photo_step(
            it.name, one(FacesScreened), lambda photos: embed(photos, objects, embedder, buckets), FACES_EMBEDDED
        )
        stream = KafkaStream(kafka, it.name, it.instance, [FACES_SCREENED.name])
        it.run(
            stream,
            step,
            worker,
            longest_silence=kafka.max_poll_interval,
            prepare=lambda: objects.reach(buckets.faces),
        )


if __name__ == "__main__":
    main()
