"""Records in Kafka: one member of a consumer group and one transactional producer.

Exactly once by KIP-98 (transactions) and KIP-447 (a transaction carries the group's metadata, so that a member that
lost its partition cannot commit for it); groups by KIP-848, where the broker assigns the partitions.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from confluent_kafka import Consumer, KafkaException, TopicPartition

from shared.adapters.kafka.clients import group, new_consumer, new_producer, transactional_id
from shared.adapters.kafka.denials import READ, Identity
from shared.adapters.kafka.errors import Listener, line
from shared.adapters.kafka.group_offsets import Standing
from shared.adapters.kafka.partitioners import counting, partitions_of
from shared.adapters.kafka.records import consumed_record, first_offsets, last_offsets
from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.watchdog import Watch
from shared.errors import Fatal, Transient, Undecided
from shared.ports.streams import ConsumedRecord, ProducedRecord, split_record_id

__all__ = ["KafkaSettings", "KafkaStream"]

_CALL = 10.0  # seconds that one call of the client may take before it is called again
_DOUBT = 1.0  # seconds to wait for the group's offset of a partition that has just come


class _Fenced(Fatal):
    """This producer has ended, and a new one of its name would end another process that is at work."""


class KafkaStream:
    """A `RecordStream` over Kafka. `instance` names this process among those of its service, for good."""

    def __init__(self, settings: KafkaSettings, service: str, instance: str, topics: Sequence[str]) -> None:
        """Prepare both clients; the first `consume` joins the group and fences off an earlier process of this name."""
        self._assigned: set[tuple[str, int]] = set()
        self._taken_away: set[tuple[str, int]] = set()  # in the last `consume`
        self._standing = Standing()
        self._watch = Watch()
        self._identity = Identity(settings.username, group(service), transactional_id(service, instance))
        self._reading = READ.of(*topics)
        self._settings, self._service, self._instance, self._topics = settings, service, instance, tuple(topics)
        self._connect()

    def _connect(self) -> None:
        """Make both clients, or make them anew; none of an earlier pair is asked for anything any more."""
        self._consumer_listener = Listener(self._identity, self._reading)
        with self._watch.over():  # the earlier one goes in it
            self._consumer = new_consumer(self._settings, self._service, self._instance, self._consumer_listener)
        self._connect_producer()
        self._consumer.subscribe(
            list(self._topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )

    def _connect_producer(self) -> None:
        self._producer_listener = Listener(self._identity, self._reading)
        with self._watch.over():
            self._producer = new_producer(self._settings, self._service, self._instance, self._producer_listener)
        self._initialised = False

    def consume(self, limit: int, wait: float) -> Sequence[ConsumedRecord]:
        """Return the first committed record to come and up to `limit` - 1 that have arrived by then."""
        self._taken_away.clear()
        self._initialise()
        self._producer.poll(0)  # for what it has to log
        with self._consumer_listener.translated():
            messages = self._consumer.consume(1, wait)
            if messages and limit > 1:
                messages += self._consumer.consume(limit - 1, 0)
        records, failures = [], []
        for message in messages:
            error = message.error()
            if error is not None:
                # Told once, whatever comes beside it, and never again.
                self._consumer_listener.check(error, READ.of(topic) if (topic := message.topic()) else None)
                failures.append(error)
            elif (message.topic(), message.partition()) in self._assigned:
                records.append(consumed_record(message))
        records = [*self._standing.proven(records, self._group_offsets, self._seek)]
        for error in failures:
            # What came beside an error is taken; an error that stays comes again.
            if not records:
                raise Transient(line(error))
        return records

    def commit(self, consumed: Sequence[ConsumedRecord], produced: Sequence[ProducedRecord]) -> None:
        """Write `produced` and the offsets after `consumed` in one transaction."""
        offsets = [TopicPartition(*place, offset + 1) for place, offset in last_offsets(consumed).items()]
        self._commit(produced, offsets)
        self._standing.committed(offsets, are_noted=False)

    def note(self, texts: Mapping[tuple[str, int], str]) -> None:
        """Write the group's offsets once more, with these texts, in a transaction."""
        self._initialise_producer()  # a transaction that failed may have left a new one
        if offsets := self._standing.with_texts(texts):
            self._commit((), offsets)
            self._standing.committed(offsets, are_noted=True)

    def noted(self, topic: str, partition: int) -> str | None:
        """Return the text that stands with the group's offset."""
        return self._standing.text((topic, partition))

    def _commit(self, produced: Sequence[ProducedRecord], offsets: list[TopicPartition]) -> None:
        count = counting(self._producer, self._producer_listener, self._watch, _CALL)
        partitions = partitions_of(produced, count)
        until = time.monotonic() + self._settings.transaction_timeout
        with self._producer_listener.translated():
            self._producer.begin_transaction()
        self._producer_listener.forget_deliveries()
        try:
            self._transact(zip(produced, partitions, strict=True), offsets, until)
        except Undecided:
            # A new producer ends it, if the broker has not, and then the group's offset says how.
            self._connect_producer()
            self._standing.doubt({(to.topic, to.partition) for to in offsets} & self._assigned)
            raise

    def _transact(
        self, produced: Iterable[tuple[ProducedRecord, int]], offsets: list[TopicPartition], until: float
    ) -> None:
        """`produced`: records with their partitions."""
        try:
            for record, partition in produced:
                self._produce(record, partition)
            self._flush()
            metadata = self._consumer.consumer_group_metadata()
            self._call(lambda: self._producer.send_offsets_to_transaction(offsets, metadata, _CALL), until)
            self._call(lambda: self._producer.commit_transaction(_CALL), until)
        except (_Fenced, Undecided):
            raise
        except Fatal:
            # What is noted can be taken back, though not by this producer: it would have to abort a transaction of
            # which the broker may know nothing, and ends by that.
            self._connect_producer()
            raise
        except Exception:
            if self._initialised:  # else it is a new producer, and ends what the earlier one has open
                self._call(lambda: self._producer.abort_transaction(_CALL), until)
            raise

    def rewind(self, consumed: Sequence[ConsumedRecord]) -> None:
        """Seek back to the first of these records in each partition that is still ours."""
        for (topic, partition), offset in first_offsets(consumed).items():
            if (topic, partition) in self._assigned:
                self._seek(topic, partition, offset)

    def still_assigned(self, consumed: Sequence[ConsumedRecord]) -> Sequence[ConsumedRecord]:
        """Return those of these records whose partitions were not taken away in the last `consume`."""
        return [record for record in consumed if record.topic_partition not in self._taken_away]

    def idle(self, seconds: float) -> None:
        """Poll with every partition paused."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            with self._consumer_listener.translated():
                self._consumer.pause(self._places())  # in every round, since partitions may come while we wait
                message = self._consumer.poll(min(left, 0.2))
            if message is not None and (error := message.error()):
                self._consumer_listener.check(error)
            elif message is not None:
                self.rewind([consumed_record(message)])
        with self._consumer_listener.translated():
            self._consumer.resume(self._places())

    def is_assigned(self) -> bool:
        """Say whether the broker has given this member partitions."""
        return bool(self._assigned)

    def is_committed(self, record_id: str) -> bool:
        """Ask the broker for the group's offset."""
        topic, partition, offset = split_record_id(record_id)
        self._initialise()
        with self._watch.over(), self._consumer_listener.translated():
            (found,) = self._consumer.committed([TopicPartition(topic, partition)], _CALL)
        if found.error:
            self._consumer_listener.check_rights(found.error, READ.of(topic))
            raise Transient(line(found.error))
        return bool(found.offset > offset)

    def lag(self) -> Mapping[tuple[str, int], int]:
        """Return what is left in each partition as of the last fetch.

        Marks of transactions are passed as they are read: where all is read this is 0, though the committed offset, the
        last record's and one, stays before the mark, which admin tools count as a lag of 1.
        """
        found = {}
        with self._consumer_listener.translated():
            for place in self._consumer.position(self._places()):
                _, high = self._consumer.get_watermark_offsets(place, cached=True) or (-1, -1)
                if place.offset >= 0 and high >= 0:
                    found[place.topic, place.partition] = max(0, high - place.offset)
        return found

    def close(self) -> None:
        """Leave the group, so that others take over at once."""
        with self._watch.over():
            self._consumer.close()
        self._watch.close()

    def _places(self) -> list[TopicPartition]:
        return [TopicPartition(topic, partition) for topic, partition in sorted(self._assigned)]

    def _initialise(self) -> None:
        """See to it that both clients can be used, and that nothing is open of an earlier producer of this name.

        Offsets may be part of what is open, so it is ended before any are asked for.
        """
        if self._consumer_listener.lost:
            logging.getLogger("kafka").warning("the client has forgotten all brokers; a new one looks for them")
            self._release(self._assigned)
            self._connect()
        elif self._producer_listener.lost or (self._initialised and self._producer_listener.disconnected):
            self._connect_producer()
        self._initialise_producer()

    def _initialise_producer(self) -> None:
        if not self._initialised:
            # Asked of the producer: what `insisting` polls for must not be a record.
            with self._watch.over():
                topics = self._producer_listener.insisting(
                    self._producer, lambda seconds: self._producer.list_topics(timeout=seconds), _CALL
                ).topics
            missing = [name for name in self._topics if name not in topics or topics[name].error]
            for name in missing:  # Kafka does not name what a user may not see, unless asked for it
                with self._watch.over(), self._consumer_listener.translated(READ.of(name)):
                    found = self._consumer.list_topics(name, _CALL).topics[name]
                if found.error:
                    self._consumer_listener.check(found.error, READ.of(name))
            if missing:  # of which a member would hear nothing
                msg = f"Kafka has no topic {', '.join(missing)}; create the topics with `facestream init`"
                raise Transient(msg)
            with self._watch.over():
                self._producer_listener.insisting(self._producer, self._producer.init_transactions, _CALL)
            self._initialised = True
            self._producer.poll(0)  # what it has to tell of its way here is heard before that is forgotten
            self._producer_listener.disconnected = False

    def _group_offsets(self, places: list[TopicPartition]) -> list[TopicPartition]:
        with self._watch.over(), self._consumer_listener.translated():
            return self._consumer.committed(places, _DOUBT)

    def _seek(self, topic: str, partition: int, offset: int) -> None:
        """Go on reading at an offset; raises `Fatal`, since what was read and is not read again would be lost."""
        try:
            self._consumer.seek(TopicPartition(topic, partition, offset))
        except KafkaException as failure:
            raise Fatal(line(failure.args[0])) from failure

    def _on_assign(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        places = {(place.topic, place.partition) for place in partitions}
        self._assigned |= places
        self._standing.doubt(places)

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.resume(partitions)  # a pause outlives the assignment: come back, a partition would never be read
        self._release({(place.topic, place.partition) for place in partitions})

    def _release(self, places: set[tuple[str, int]]) -> None:
        """Take note that partitions are not ours any more, if only for now."""
        self._taken_away |= places
        self._standing.forget(places)
        self._assigned = self._assigned - places  # a new set: it may be `places` itself

    def _produce(self, record: ProducedRecord, partition: int) -> None:
        headers: list[tuple[str, str | bytes | None]] = list(record.headers.items())
        while True:
            try:
                self._producer.produce(record.topic, record.value, record.key, partition, headers=headers)
            except BufferError:
                self._producer.poll(0.1)  # the queue is full: let some go
            except KafkaException as error:
                raise self._producer_listener.refused(error.args[0], record.topic) from error
            else:
                return

    def _flush(self) -> None:
        """Have a transaction's records written before its offsets.

        A broker that still writes the marks of the last transaction lets offsets wait far longer than records. And a
        producer that lost a broker may hold on to the coordinator that it knew, and never return from sending offsets
        to it: before it does, a new one takes its place, and this raises `Transient`, since without offsets nothing
        can have been committed (docs/decisions/017-a-producer-that-lost-a-broker.md).
        """
        with self._watch.over():
            left = self._producer.flush(_CALL)
            self._producer.poll(0)  # with nothing to flush, nothing is heard
        if left or self._producer_listener.disconnected:
            self._connect_producer()
            msg = "Kafka: the connection to a broker broke in a transaction; a new producer ends it"
            raise Transient(msg)
        self._producer_listener.check_deliveries(self._producer)

    def _call(self, call: Callable[[], object], until: float) -> None:
        """Call until it is through.

        Raises `Transient` where the transaction has to be aborted, `Undecided` where it could not be ended in the time
        that it had, and `Fatal` where another process of this name is at work.
        """
        while True:
            try:
                with self._watch.over():
                    call()
            except KafkaException as failure:
                error = failure.args[0]
                self._producer_listener.check_rights(error)
                if error.txn_requires_abort():
                    raise Transient(line(error)) from failure
                # A producer that is fenced cannot go on: another one of this name has come, or the broker has aborted
                # what took too long.
                is_late = time.monotonic() > until
                if error.fatal() and not is_late:
                    raise _Fenced(line(error)) from failure
                if is_late or not error.retriable():
                    msg = f"{line(error)}; whether the transaction was committed is asked of the broker"
                    raise Undecided(msg) from failure
                time.sleep(0.1)
            else:
                return
