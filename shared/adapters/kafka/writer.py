"""Writes the records of a command or a job, which has no consumer group, in transactions."""

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from confluent_kafka import KafkaError, KafkaException, Producer

from shared.adapters.kafka.denials import WRITE, Identity
from shared.adapters.kafka.errors import Listener
from shared.adapters.kafka.partitioners import OF_PRODUCERS, counting, partitions_of
from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.watchdog import Watch
from shared.domain.topics import MAX_RECORD_BYTES
from shared.errors import Transient
from shared.ports.streams import ProducedRecord

RECLUSTERER = "reclusterer"
"""The name of the writer that publishes generations: in the job, or in a command that rolls back."""

_TIMEOUT = 30.0  # seconds for one step of a transaction
_NOT_SEEN = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED)
_LONGEST = 45  # seconds after which a call with that timeout will not return any more


class KafkaWriter:
    """Writes records in transactions.

    `name` is the end of the transactional id. Of two processes with one name, the later one fences off the earlier one:
    if an operator starts a command twice, its work is done once. Raises `Fatal` and `Transient`; if a call of the
    client does not return, the process ends.
    """

    def __init__(self, settings: KafkaSettings, name: str) -> None:
        transactional_id = f"facestream.{name}"
        self._listener = Listener(Identity(settings.username, transactional_id=transactional_id), WRITE)
        self._watch = Watch(_LONGEST)
        weakref.finalize(self, self._watch.close)
        self._producer = Producer(
            {
                **settings.client(),
                **self._listener.reports(),
                "error_cb": self._listener,
                "log_level": 0,
                "transactional.id": transactional_id,
                "transaction.timeout.ms": int(settings.transaction_timeout * 1000),
                "message.max.bytes": MAX_RECORD_BYTES,
                "partitioner": OF_PRODUCERS,
                "compression.type": "lz4",
            }
        )
        with self._watch.over():
            self._listener.insisting(self._producer, self._producer.init_transactions, _TIMEOUT)

    def write(self, records: Sequence[ProducedRecord], partitions: Sequence[int | None] = ()) -> None:
        """Write all records or none.

        `partitions`: one for each record, None for the partition that the topic's partitioner chooses.
        """
        with self._transaction(records, partitions):
            self._commit()

    def write_if(
        self, records: Sequence[ProducedRecord], holds: Callable[[], bool], partitions: Sequence[int | None] = ()
    ) -> bool:
        """Write all records, and commit them if `holds` returns True then; return whether they were committed.

        `partitions` as in `write`.
        """
        with self._transaction(records, partitions):
            if holds():
                self._commit()
                return True
        with self._listener.translated():
            self._abort()
        return False

    @contextmanager
    def _transaction(self, records: Sequence[ProducedRecord], partitions: Sequence[int | None]) -> Iterator[None]:
        """Write these records in a transaction, which is aborted after an error."""
        wanted = partitions or [None] * len(records)
        by_topic = partitions_of(records, counting(self._producer, self._listener, self._watch, _TIMEOUT))
        self._listener.forget_deliveries()
        with self._listener.translated():
            self._producer.begin_transaction()
            try:
                for record, partition, chosen in zip(records, wanted, by_topic, strict=True):
                    self._produce(record, chosen if partition is None else partition)
                self._deliver(len(records))
                yield
            except BaseException:
                # The first error is raised. The broker does not know a transaction in which it accepted no record, and
                # ends a producer that aborts it.
                with suppress(KafkaException):
                    self._abort()
                raise

    def _deliver(self, count: int) -> None:
        """Wait until all records are written, before anything is committed."""
        with self._watch.over():
            left = self._producer.flush(_TIMEOUT)
        self._listener.check_deliveries(self._producer)
        if left:
            msg = f"Kafka has not accepted {count} records within {_TIMEOUT:g} s"
            raise Transient(msg)

    def knows(self, topic: str) -> bool:
        """Return whether a topic exists, as far as this user may see; raises `Transient` if Kafka cannot answer now."""
        with self._watch.over():
            found = self._listener.insisting(
                self._producer, lambda seconds: self._producer.list_topics(topic, seconds), _TIMEOUT
            )
        error = found.topics[topic].error
        if error is not None and error.code() not in _NOT_SEEN:
            with self._listener.translated():
                raise KafkaException(error)
        return error is None

    def _commit(self) -> None:
        with self._watch.over():
            self._producer.commit_transaction(_TIMEOUT)

    def _abort(self) -> None:
        with self._watch.over():
            self._producer.abort_transaction(_TIMEOUT)

    def _produce(self, record: ProducedRecord, partition: int) -> None:
        headers: list[tuple[str, str | bytes | None]] = list(record.headers.items())
        try:
            self._producer.produce(record.topic, record.value, record.key, partition, headers=headers)
        except KafkaException as failure:
            raise self._listener.refused(failure.args[0], record.topic) from failure
        except BufferError:
            msg = f"{len(self._producer)} records wait to be sent, and the queue is full; write fewer at once"
            raise Transient(msg) from None
