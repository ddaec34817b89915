"""The topics: one table, from which `facestream init` creates them and the documentation is generated.

Compacted topics keep the last record of every key for ever. Earlier records of a key are removed within about a day,
and its tombstone a day later. In partitions without new records the reconciler causes that
(`shared/adapters/kafka/idle_partitions.py`).
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from shared.domain.events import (
    ClusterChanged,
    FaceAssigned,
    FacesDetected,
    FacesEmbedded,
    FacesScreened,
    GenerationPublished,
    ImageProcessed,
    Message,
)

Partitioner = Literal["consistent_random", "fnv1a_random"]
"""How the partition of a key is computed, by librdkafka's names: CRC32, or FNV-1a as in Sarama, modulo partitions.

A record with an empty key goes to a random partition.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One topic.

    `model`: the event in its values, None if other programs define them. `producer`: the services that write it.
    `consumer`: the service whose consumer group reads it, None if none does. Every producer must use the same
    `partitioner`: the records of a key are in order within one partition only, and in a compacted topic a key in two
    partitions would have two last records.
    """

    name: str
    key: str
    model: type[Message] | None
    producer: str
    consumer: str | None = None
    cleanup: Literal["delete", "compact"] = "delete"
    retention: timedelta | None = timedelta(days=7)
    partitions: int = 12
    partitioner: Partitioner = "consistent_random"

    @property
    def event_type(self) -> str:
        """The `ce_type` of its events. A change that old readers do not understand gets a new number."""
        return f"facestream.{self.name}.v1"

    def configuration(self) -> dict[str, str]:
        """Return the settings that must not depend on the broker's defaults, by Kafka's names."""
        configuration = {"cleanup.policy": self.cleanup, "max.message.bytes": str(MAX_RECORD_BYTES)}
        # Kafka removes whole segments, and by default begins a new one every 7 days: a record with a retention of one
        # day would stay for eight.
        if self.retention is None:
            return configuration | {
                "max.compaction.lag.ms": _milliseconds(_COMPACTION_LAG),
                "delete.retention.ms": _milliseconds(TOMBSTONES),
            }
        return configuration | {
            "retention.ms": _milliseconds(self.retention),
            "segment.ms": _milliseconds(self.retention / _SEGMENTS),
        }


_SEGMENTS = 24  # segments per retention time; records are removed at most one segment later than promised
_COMPACTION_LAG = timedelta(days=1)  # until what was replaced or erased is compacted away

TOMBSTONES = timedelta(days=1)
"""How long a tombstone stays after that. A consumer that reads less often may miss it."""


def _milliseconds(time: timedelta) -> str:
    return str(int(time.total_seconds() * 1000))


MAX_MESSAGE_BYTES = 8 * 1024 * 1024
"""Largest value. A photograph with a thousand faces of 512 dimensions is 3 MiB of JSON."""

MAX_RECORD_BYTES = MAX_MESSAGE_BYTES + 64 * 1024
"""Largest record as Kafka counts it, with key and headers; a dead letter has the largest headers."""

# The object store writes most of it, and chooses partitions by Sarama's default.
IMAGES_UPLOADED = Topic(
    name="images.uploaded",
    key="bucket/key",
    model=None,
    producer="object store, assigner, reconciler",
    consumer="detector",
    partitioner="fnv1a_random",
)
FACES_DETECTED = Topic(
    name="faces.detected", key="object id", model=FacesDetected, producer="detector", consumer="quality"
)
FACES_SCREENED = Topic(
    name="faces.screened", key="object id", model=FacesScreened, producer="quality", consumer="embedder"
)
# One day, because vectors are biometric data. The reconciler repairs what the assigner has not read by then.
FACES_EMBEDDED = Topic(
    name="faces.embedded",
    key="object id",
    model=FacesEmbedded,
    producer="embedder",
    consumer="assigner",
    retention=timedelta(days=1),
)
FACES_ASSIGNED = Topic(
    name="faces.assigned",
    key="face id",
    model=FaceAssigned,
    producer="assigner, reclusterer",
    cleanup="compact",
    retention=None,
)
IMAGES_PROCESSED = Topic(
    name="images.processed",
    key="object id",
    model=ImageProcessed,
    producer="assigner",
    cleanup="compact",
    retention=None,
)
CLUSTERS_CHANGED = Topic(
    name="clusters.changed",
    key="cluster id",
    model=ClusterChanged,
    producer="reclusterer",
    cleanup="compact",
    retention=None,
)
# One key, so one partition: its last record names the active generation.
GENERATIONS_PUBLISHED = Topic(
    name="generations.published",
    key="the word `active`",
    model=GenerationPublished,
    producer="reclusterer",
    cleanup="compact",
    retention=None,
    partitions=1,
)
DEAD_LETTERS = Topic(
    name="dead-letters",
    key="original key",
    model=None,
    producer="every service",
    retention=timedelta(days=30),
    partitions=1,
)

TOPICS = (
    IMAGES_UPLOADED,
    FACES_DETECTED,
    FACES_SCREENED,
    FACES_EMBEDDED,
    FACES_ASSIGNED,
    IMAGES_PROCESSED,
    CLUSTERS_CHANGED,
    GENERATIONS_PUBLISHED,
    DEAD_LETTERS,
)


def group_of(service: str) -> str:
    """Return the name of a service's consumer group."""
    return f"facestream.{service}"


def partitioner_of(name: str) -> Partitioner:
    """Return the partitioner of a topic by its name. For topics that are not in the table it is CRC32."""
    return next((topic.partitioner for topic in TOPICS if topic.name == name), "consistent_random")
