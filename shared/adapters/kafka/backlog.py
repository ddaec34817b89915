"""The backlog of the services: records in the topics that their consumer groups have not read."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from shared.adapters.kafka.admin import KafkaAdmin
from shared.adapters.kafka.reader import KafkaReader
from shared.adapters.kafka.settings import KafkaSettings
from shared.domain.topics import TOPICS, group_of


@dataclass(frozen=True, slots=True)
class Waiting:
    """A record that its consumer group has not read. `since`: the record's timestamp, aware, in UTC."""

    record_id: str
    since: datetime

    def __str__(self) -> str:
        return f"{self.record_id} waits since {self.since:%Y-%m-%d %H:%M:%S} UTC"


def longest_wait(settings: KafkaSettings) -> Waiting | None:
    """Return the oldest record that a service has not read, None if there is none; raises `Fatal` and `Transient`."""
    return min(_waiting(settings), key=lambda record: record.since, default=None)


def _waiting(settings: KafkaSettings) -> Iterator[Waiting]:
    """Yield the first unread record of every partition."""
    admin = KafkaAdmin(settings)
    for topic in TOPICS:
        unread = admin.unread(group_of(topic.consumer), topic.name) if topic.consumer else None
        if not unread:
            continue
        with KafkaReader(settings, topic.name) as reader:
            for record in reader.first(unread).values():  # partitions with only markers of transactions have none
                yield Waiting(record.record_id, record.timestamp)
