"""How far the services are behind: what waits in the topics that they read."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from shared.adapters.kafka.admin import KafkaAdmin
from shared.adapters.kafka.reader import KafkaReader
from shared.adapters.kafka.stream import KafkaSettings
from shared.domain.topics import FACES_DETECTED, FACES_EMBEDDED, FACES_SCREENED, IMAGES_UPLOADED

_READERS = {
    "facestream.detector": IMAGES_UPLOADED,
    "facestream.quality": FACES_DETECTED,
    "facestream.embedder": FACES_SCREENED,
    "facestream.assigner": FACES_EMBEDDED,
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A record that its reader has not come to. `since` is aware, in UTC."""

    record_id: str
    since: datetime

    def __str__(self) -> str:
        return f"{self.record_id} waits since {self.since:%Y-%m-%d %H:%M:%S} UTC"


def longest_wait(settings: KafkaSettings) -> Waiting | None:
    """Return the oldest record that a service has not read, None where nothing waits; raises `Fatal`, `Transient`."""
    return min(_waiting(settings), key=lambda record: record.since, default=None)


def _waiting(settings: KafkaSettings) -> Iterator[Waiting]:
    """Yield the first unread record of every partition."""
    admin = KafkaAdmin(settings)
    for group, topic in _READERS.items():
        unread = admin.unread(group, topic.name)
        if not unread:
            continue
        with KafkaReader(settings, topic.name) as reader:
            for partition, offset in unread.items():
                record = reader.first(partition, offset)
                if record:  # else there are only the marks of transactions
                    yield Waiting(record.record_id, record.timestamp)
