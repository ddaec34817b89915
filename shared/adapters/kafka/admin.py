"""Topics in Kafka: their partitions, offsets and configuration, and changes to them."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewPartitions, NewTopic

from shared.adapters.kafka.clients import new_admin
from shared.adapters.kafka.denials import (
    CONFIGURATION,
    CONFIGURE,
    CREATE,
    EXTEND,
    LOOK_AT,
    READ,
    REMOVE_RECORDS,
    Identity,
)
from shared.adapters.kafka.errors import Listener, line
from shared.adapters.kafka.settings import KafkaSettings
from shared.errors import Transient

_TIMEOUT = 30.0  # seconds for one request


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic. `records`: see `KafkaAdmin.topic`. `configuration`: all values, the broker's defaults included."""

    partitions: int
    records: int
    configuration: Mapping[str, str]


class KafkaAdmin:
    """Reads and changes topics. Every call blocks; raises `Transient`, and `Fatal` if Kafka refuses."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._listener = Listener(Identity(settings.username), LOOK_AT)
        self._client = new_admin(settings, self._listener)
        self._replication = settings.replication_factor or -1

    def topic(self, name: str) -> TopicState | None:
        """Return a topic, None if it does not exist. `records` counts offsets, those of transaction markers too."""
        partitions = self._partitions(name)
        if not partitions:
            return None
        return TopicState(partitions, self._records(name, partitions), self._configuration(name))

    def create(self, name: str, partitions: int, configuration: Mapping[str, str]) -> bool:
        """Create a topic if it does not exist; return whether it was created. Waits until the broker knows it."""
        wanted = NewTopic(name, partitions, self._replication, config=dict(configuration))
        with self._listener.translated(CREATE.of(name)):
            try:
                self._client.create_topics([wanted], request_timeout=_TIMEOUT)[name].result(_TIMEOUT)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise
                is_new = False
            else:
                is_new = True
        # A broker learns of a new topic from the controller a moment later.
        until = time.monotonic() + _TIMEOUT
        while not self._partitions(name):
            if time.monotonic() > until:
                msg = f"topic {name}: created, but the brokers do not know it after {_TIMEOUT:g} s; try again later"
                raise Transient(msg)
            time.sleep(0.05)
        return is_new

    def add_partitions(self, name: str, total: int) -> None:
        """Add partitions to a topic, so that it has `total`."""
        wanted = [NewPartitions(name, total)]
        with self._listener.translated(EXTEND.of(name)):
            self._client.create_partitions(wanted, request_timeout=_TIMEOUT)[name].result(_TIMEOUT)

    def configure(self, name: str, configuration: Mapping[str, str]) -> None:
        """Set these values of a topic's configuration; other values stay as they are."""
        entries = [
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in configuration.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
        with self._listener.translated(CONFIGURE.of(name)):
            self._client.incremental_alter_configs([resource])[resource].result(_TIMEOUT)

    def remove_records(self, name: str, before: Mapping[int, int]) -> None:
        """Delete all records before an offset in each partition. This cannot be undone."""
        partitions = [TopicPartition(name, partition, offset) for partition, offset in before.items()]

        def remove(_: float) -> None:
            for done in self._client.delete_records(partitions, request_timeout=_TIMEOUT).values():
                done.result(_TIMEOUT)

        self._listener.insisting(self._client, remove, _TIMEOUT, REMOVE_RECORDS.of(name))

    def unread(self, group: str, name: str) -> Mapping[int, int]:
        """Return the next offset that a group reads, for each partition in which records may be left."""
        partitions = [TopicPartition(name, number) for number in range(self._partitions(name))]
        if not partitions:
            return {}
        read = self._committed(group, partitions)
        first, last = self._offsets(partitions)
        # A group that never read has a negative offset. The record at the group's offset may be deleted by now.
        next_ones = [max(read.get(number, 0), start) for number, start in enumerate(first)]
        return {number: start for number, start in enumerate(next_ones) if start < last[number]}

    def _committed(self, group: str, partitions: Sequence[TopicPartition]) -> Mapping[int, int]:
        """Return the offset of a group in each partition, negative if there is none.

        A consumer that joins no group asks for them. If a broker has just started and cannot answer for the group yet,
        the admin client of librdkafka 2.16 looks for a group of its own, has none, and ends the process.
        """
        listener = Listener(Identity(self._settings.username, group), READ.of(partitions[0].topic))
        consumer = Consumer(
            {
                **self._settings.client(),
                "error_cb": listener,
                "log_level": 0,
                "group.id": group,
                "enable.auto.commit": False,
            }
        )
        try:
            found = listener.insisting(
                consumer, lambda seconds: consumer.committed(list(partitions), seconds), _TIMEOUT
            )
        finally:
            consumer.close()
        for at in found:
            if at.error:
                listener.check_rights(at.error)
                raise Transient(line(at.error))
        return {at.partition: at.offset for at in found}

    def extents(self, name: str) -> Mapping[int, tuple[int, int]]:
        """Return the first offset of each partition, and the offset of its next record."""
        partitions = [TopicPartition(name, number) for number in range(self._partitions(name))]
        return dict(enumerate(zip(*self._offsets(partitions), strict=True))) if partitions else {}

    def _partitions(self, name: str) -> int:
        """Return the number of partitions of a topic, 0 if it does not exist.

        Kafka does not list a topic that the user may not see, but if asked for it by name, it refuses. A hidden topic
        must not count as missing: then its backlog would count as empty.
        """
        known = self._listener.insisting(
            self._client, lambda seconds: self._client.list_topics(timeout=seconds), _TIMEOUT
        ).topics
        return len(known[name].partitions) if name in known else self._hidden(name)

    def _hidden(self, name: str) -> int:
        """Return the number of partitions of a topic that Kafka did not list; raises `Fatal` if it is hidden."""

        def ask(seconds: float) -> int:
            asked = self._client.describe_topics(TopicCollection([name]), request_timeout=seconds)[name]
            try:
                return len(asked.result(_TIMEOUT).partitions)
            except KafkaException as failure:
                if failure.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise
                return 0

        return self._listener.insisting(self._client, ask, _TIMEOUT, LOOK_AT.of(name))

    def _configuration(self, name: str) -> Mapping[str, str]:
        resource = ConfigResource(ResourceType.TOPIC, name)

        def ask(_: float) -> Mapping[str, str]:
            found = self._client.describe_configs([resource], request_timeout=_TIMEOUT)[resource].result(_TIMEOUT)
            return {entry.name: entry.value or "" for entry in found.values()}

        return self._listener.insisting(self._client, ask, _TIMEOUT, CONFIGURATION.of(name))

    def _records(self, name: str, partitions: int) -> int:
        first, last = self._offsets([TopicPartition(name, number) for number in range(partitions)])
        return sum(last) - sum(first)

    def _offsets(self, partitions: Sequence[TopicPartition]) -> tuple[list[int], list[int]]:
        """Return the first offset of each partition, and the offset of its next record."""
        specs = OffsetSpec.earliest(), OffsetSpec.latest()  # type: ignore[no-untyped-call]  # of the client
        first, last = (self._listed(partitions, spec) for spec in specs)
        return first, last

    def _listed(self, partitions: Sequence[TopicPartition], spec: OffsetSpec) -> list[int]:
        def ask(seconds: float) -> list[int]:
            found = self._client.list_offsets(dict.fromkeys(partitions, spec), request_timeout=seconds)
            return [found[at].result(_TIMEOUT).offset for at in partitions]

        return self._listener.insisting(self._client, ask, _TIMEOUT, LOOK_AT.of(partitions[0].topic))
