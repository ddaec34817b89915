"""Records in Kafka: one member of a consumer group together with one transactional producer (`transactions.py`).

The group uses KIP-848: the broker assigns the partitions.
"""

import logging
import time
from collections.abc import Mapping, Sequence

from confluent_kafka import Consumer, KafkaException, TopicPartition

from shared.adapters.kafka.clients import new_consumer, transactional_id
from shared.adapters.kafka.denials import READ, Identity
from shared.adapters.kafka.errors import Listener, line
from shared.adapters.kafka.group_offsets import GroupOffsets
from shared.adapters.kafka.records import consumed_record, first_offsets, last_offsets
from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.transactions import CALL_TIMEOUT, TransactionalProducer
from shared.adapters.kafka.watchdog import Watch
from shared.domain.topics import group_of
from shared.errors import Fatal, Transient, Undecided
from shared.ports.streams import ConsumedRecord, ProducedRecord, split_record_id

_OFFSETS_TIMEOUT = 1.0  # seconds to wait for the group's offset of a partition that was just assigned


class KafkaStream:
    """A `RecordStream` over Kafka. `instance` names this process among those of its service, over restarts too."""

    def __init__(self, settings: KafkaSettings, service: str, instance: str, topics: Sequence[str]) -> None:
        """Make both clients. The first `consume` joins the group, and fences off an earlier process of this name."""
        self._assigned: set[tuple[str, int]] = set()
        self._revoked: set[tuple[str, int]] = set()  # during the last `consume`
        self._offsets = GroupOffsets()
        self._watch = Watch()
        self._identity = Identity(settings.username, group_of(service), transactional_id(service, instance))
        self._reading = READ.of(*topics)
        self._settings, self._service, self._instance, self._topics = settings, service, instance, tuple(topics)
        self._connect_consumer()
        self._producer = TransactionalProducer(
            settings, service, instance, identity=self._identity, attempt=self._reading, watch=self._watch
        )
        self._subscribe()

    def consume(self, limit: int, wait: float) -> Sequence[ConsumedRecord]:
        """Return the first committed record that arrives, and up to `limit` - 1 that have arrived by then."""
        self._revoked.clear()
        self._initialise()
        self._producer.poll()
        with self._listener.translated():
            messages = self._consumer.consume(1, wait)
            if messages and limit > 1:
                messages += self._consumer.consume(limit - 1, 0)
        records, failures = [], []
        for message in messages:
            error = message.error()
            if error is not None:
                # The client reports a fatal error only once, so it counts even if records came with it.
                self._listener.check(error, READ.of(topic) if (topic := message.topic()) else None)
                failures.append(error)
            elif (message.topic(), message.partition()) in self._assigned:
                records.append(consumed_record(message))
        records = [*self._offsets.certain(records, self._committed, self._seek)]
        for error in failures:
            # Records that came with an error are returned. An error that lasts comes again.
            if not records:
                raise Transient(line(error))
        return records

    def commit(self, consumed: Sequence[ConsumedRecord], produced: Sequence[ProducedRecord]) -> None:
        """Write `produced` and the offsets after `consumed` in one transaction."""
        offsets = [TopicPartition(*partition, offset + 1) for partition, offset in last_offsets(consumed).items()]
        self._commit(produced, offsets)
        self._offsets.committed(offsets, are_noted=False)

    def note(self, texts: Mapping[tuple[str, int], str]) -> None:
        """Write the group's offsets again, with these texts as metadata, in a transaction."""
        self._initialise_producer()  # after a transaction that failed, it may be a new one
        if offsets := self._offsets.with_texts(texts):
            self._commit((), offsets)
            self._offsets.committed(offsets, are_noted=True)

    def noted(self, topic: str, partition: int) -> str | None:
        """Return the metadata of the group's offset."""
        return self._offsets.text((topic, partition))

    def rewind(self, consumed: Sequence[ConsumedRecord]) -> None:
        """Seek to the first of these records in each partition that is assigned to this member."""
        for (topic, partition), offset in first_offsets(consumed).items():
            if (topic, partition) in self._assigned:
                self._seek(topic, partition, offset)

    def still_assigned(self, consumed: Sequence[ConsumedRecord]) -> Sequence[ConsumedRecord]:
        """Return those of these records whose partitions were not revoked during the last `consume`."""
        return [record for record in consumed if record.topic_partition not in self._revoked]

    def idle(self, seconds: float) -> None:
        """Poll with all partitions paused."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            with self._listener.translated():
                self._consumer.pause(self._partitions())  # in every round: partitions may be assigned meanwhile
                message = self._consumer.poll(min(left, 0.2))
            if message is not None and (error := message.error()):
                self._listener.check(error)
            elif message is not None:
                self.rewind([consumed_record(message)])
        with self._listener.translated():
            self._consumer.resume(self._partitions())

    def is_assigned(self) -> bool:
        """Return whether the broker has assigned partitions to this member."""
        return bool(self._assigned)

    def is_committed(self, record_id: str) -> bool:
        """Ask the broker for the group's offset, and compare."""
        topic, partition, offset = split_record_id(record_id)
        self._initialise()
        with self._watch.over(), self._listener.translated():
            (found,) = self._consumer.committed([TopicPartition(topic, partition)], CALL_TIMEOUT)
        if found.error:
            self._listener.check_rights(found.error, READ.of(topic))
            raise Transient(line(found.error))
        return bool(found.offset > offset)

    def lag(self) -> Mapping[tuple[str, int], int]:
        """Return the lag of each partition as of the last fetch.

        Markers of transactions count as read. If everything is read, the lag is 0. Admin tools then show a lag of 1,
        because the committed offset, one after the last record, is still before the marker.
        """
        found = {}
        with self._listener.translated():
            for at in self._consumer.position(self._partitions()):
                _, high = self._consumer.get_watermark_offsets(at, cached=True) or (-1, -1)
                if at.offset >= 0 and high >= 0:
                    found[at.topic, at.partition] = max(0, high - at.offset)
        return found

    def close(self) -> None:
        """Leave the group, so that the partitions are assigned to others at once."""
        with self._watch.over():
            self._consumer.close()
        self._watch.close()

    def _connect_consumer(self) -> None:
        self._listener = Listener(self._identity, self._reading)
        with self._watch.over():  # the destructor of an earlier consumer may not return
            self._consumer = new_consumer(self._settings, self._service, self._instance, self._listener)

    def _subscribe(self) -> None:
        self._consumer.subscribe(
            list(self._topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )

    def _initialise(self) -> None:
        """Make sure that both clients can be used, and that no transaction of an earlier producer is open.

        An open transaction may contain offsets, so it must end before any offsets are read.
        """
        if self._listener.lost:
            logging.getLogger("kafka").warning("the client has forgotten all brokers; a new one looks for them")
            self._release(self._assigned)
            self._connect_consumer()
            self._producer.replace()
            self._subscribe()
        else:
            self._producer.replace_if_broken()
        self._initialise_producer()

    def _initialise_producer(self) -> None:
        if self._producer.is_initialised:
            return
        # The producer is asked: a poll of the consumer, which the client needs meanwhile, could return a record.
        listed = self._producer.topics()
        missing = [name for name in self._topics if name not in listed]
        for name in missing:  # Kafka does not list a topic that a user may not see, unless asked for it by name
            with self._watch.over(), self._listener.translated(READ.of(name)):
                found = self._consumer.list_topics(name, CALL_TIMEOUT).topics[name]
            if found.error:
                self._listener.check(found.error, READ.of(name))
        if missing:  # a consumer that subscribes to a missing topic gets no error
            msg = f"Kafka has no topic {', '.join(missing)}; create the topics with `facestream init`"
            raise Transient(msg)
        self._producer.initialise()

    def _commit(self, produced: Sequence[ProducedRecord], offsets: list[TopicPartition]) -> None:
        try:
            self._producer.commit(produced, offsets, self._consumer.consumer_group_metadata)
        except Undecided:
            self._offsets.doubt({(to.topic, to.partition) for to in offsets} & self._assigned)
            raise

    def _committed(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        with self._watch.over(), self._listener.translated():
            return self._consumer.committed(partitions, _OFFSETS_TIMEOUT)

    def _seek(self, topic: str, partition: int, offset: int) -> None:
        """Continue reading at an offset; raises `Fatal`, because records that were read would be lost otherwise."""
        try:
            self._consumer.seek(TopicPartition(topic, partition, offset))
        except KafkaException as failure:
            raise Fatal(line(failure.args[0])) from failure

    def _on_assign(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        assigned = {(at.topic, at.partition) for at in partitions}
        self._assigned |= assigned
        self._offsets.doubt(assigned)

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # A pause outlives the assignment: if the partition were assigned again, it would never be read.
        consumer.resume(partitions)
        self._release({(at.topic, at.partition) for at in partitions})

    def _release(self, partitions: set[tuple[str, int]]) -> None:
        """Note that partitions are not assigned to this member any more, even if they are assigned again soon."""
        self._revoked |= partitions
        self._offsets.forget(partitions)
        self._assigned = self._assigned - partitions  # a new set: `partitions` may be the same object

    def _partitions(self) -> list[TopicPartition]:
        return [TopicPartition(topic, partition) for topic, partition in sorted(self._assigned)]
