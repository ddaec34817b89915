"""Writing records from outside of a consumer group: those of a command or of a job, in transactions of their own."""

import weakref
from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import Producer

from shared.adapters.kafka import KafkaSettings
from shared.adapters.kafka_errors import Listener
from shared.adapters.kafka_watch import Watch
from shared.errors import Transient
from shared.ports import ProducedRecord
from shared.topics import MAX_RECORD_BYTES

RECLUSTERER = "reclusterer"
"""The name of whoever publishes generations: the job, or an operator who rolls back."""

_OBJECT_STORES = "fnv1a_random"
"""How the object store chooses the partition of a key."""
_SERVICES = "consistent_random"
"""How the services do, which is the client's default: the records of one key must be in one partition."""

_PATIENCE = 30.0  # seconds that the brokers have for one step of a transaction
_LONGEST = 45  # seconds after which a call of the client, which was given those, does not return any more


class KafkaWriter:
    """Writes records in transactions.

    `name` is the transactional id's end. Of two processes of one name the later one fences the earlier: an operator's
    command that is started twice does its work once. Raises `Fatal` and `Transient`; where a call of the client does
    not return, the process ends.
    """

    def __init__(self, settings: KafkaSettings, name: str) -> None:
        self._listener = Listener()
        self._watch = Watch(_LONGEST)
        weakref.finalize(self, self._watch.close)
        self._producer = Producer(
            {
                **settings.client(),
                "error_cb": self._listener,
                "log_level": 0,
                "transactional.id": f"facestream.{name}",
                "transaction.timeout.ms": int(settings.transaction_timeout * 1000),
                "message.max.bytes": MAX_RECORD_BYTES,
                "partitioner": _SERVICES if name == RECLUSTERER else _OBJECT_STORES,
                "compression.type": "lz4",
            }
        )
        with self._watch.over():
            self._listener.insisting(self._producer, self._producer.init_transactions, _PATIENCE)

    def write(self, records: Sequence[ProducedRecord], partitions: Sequence[int | None] = ()) -> None:
        """Write all records or none; `partitions`, where given, says for each its partition."""
        chosen = partitions or [None] * len(records)
        with self._listener.translated():
            self._producer.begin_transaction()
            try:
                for record, partition in zip(records, chosen, strict=True):
                    self._produce(record, partition)
                self._commit()
            except BaseException:
                self._abort()
                raise

    def write_if(
        self, records: Sequence[ProducedRecord], holds: Callable[[], bool], partitions: Sequence[int | None] = ()
    ) -> bool:
        """Append all records, then ask, then commit if the answer is yes; say whether they were written.

        `partitions` as in `write`.
        """
        chosen = partitions or [None] * len(records)
        with self._listener.translated():
            self._producer.begin_transaction()
            try:
                for record, partition in zip(records, chosen, strict=True):
                    self._produce(record, partition)
                with self._watch.over():
                    left = self._producer.flush(_PATIENCE)
                if left:
                    msg = f"Kafka has not taken {len(records)} records within {_PATIENCE:g} s"
                    raise Transient(msg)  # noqa: TRY301  aborted below as after any other failure
                if holds():
                    self._commit()
                    return True
            except BaseException:
                self._abort()
                raise
            self._abort()
            return False

    def knows(self, topic: str) -> bool:
        """Say whether a topic is there, as far as this user may see."""
        found = self._listener.insisting(
            self._producer, lambda seconds: self._producer.list_topics(topic, seconds), _PATIENCE
        )
        return found.topics[topic].error is None

    def _commit(self) -> None:
        with self._watch.over():
            self._producer.commit_transaction(_PATIENCE)

    def _abort(self) -> None:
        with self._watch.over():
            self._producer.abort_transaction(_PATIENCE)

    def _produce(self, record: ProducedRecord, partition: int | None) -> None:
        where: dict[str, Any] = {} if partition is None else {"partition": partition}
        headers: list[tuple[str, str | bytes | None]] = list(record.headers.items())
        try:
            self._producer.produce(record.topic, record.value, record.key, headers=headers, **where)
        except BufferError:
            msg = f"{len(self._producer)} records wait and no more fit; write fewer at once"
            raise Transient(msg) from None
