"""What librdkafka says of a failure, as errors of facestream.

A refused login and a distrusted certificate are told in the background only; the call that waits for the connection
just runs out of time. So a client is built with a `Listener`, and what it heard decides what the timeout means.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from shared.adapters.kafka.denials import READ, WRITE, Attempt, Identity, denial
from shared.errors import Fatal, Transient

_REFUSALS = {KafkaError._AUTHENTICATION, KafkaError._SSL}  # noqa: SLF001  the names of librdkafka's own errors
_DISCONNECTIONS = {KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT}  # noqa: SLF001
_PASSING = {
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    # Not every broker has heard yet of a topic or a partition that was made a moment ago.
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
    KafkaError._RESOLVE,  # noqa: SLF001
    KafkaError._TIMED_OUT,  # noqa: SLF001
    KafkaError._TRANSPORT,  # noqa: SLF001
    KafkaError._WAIT_COORD,  # noqa: SLF001
}
# Of a record. The same one is refused again, in every attempt.
_UNFIT = {KafkaError.INVALID_RECORD, KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.POLICY_VIOLATION}
_WRONG = {
    KafkaError.INVALID_CONFIG,
    KafkaError.INVALID_PARTITIONS,
    KafkaError.INVALID_REPLICATION_FACTOR,
    KafkaError.INVALID_REQUEST,
    KafkaError.POLICY_VIOLATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError._INVALID_ARG,  # noqa: SLF001
}
_PURGED = {KafkaError._PURGE_INFLIGHT, KafkaError._PURGE_QUEUE}  # noqa: SLF001
# Of a token endpoint librdkafka tells the answer only, whatever it was. These are refusals (RFC 6749, 5.2); all else,
# no answer above all, may pass.
_OF_TOKENS = "Failed to acquire SASL OAUTHBEARER token"
_TOKEN_REFUSED = ("invalid_", "unauthorized_client", "unsupported_grant_type", "access_denied", "certificate")
_RECENT = 30.0  # seconds; a client without a token asks for one every 10 s
_STATISTICS = 2.0  # seconds between two of a client's reports; one takes it a millisecond
_SURE = 3  # reports without a broker; a client that begins anew with its first addresses has none for a moment
_ROUND = 1.0  # seconds of one attempt to connect
_NOBODY = Identity()
_Answer = TypeVar("_Answer")


class _Client(Protocol):
    def poll(self, timeout: float) -> object: ...


class Listener:
    """Hears what one client says in the background: pass it as the client's `error_cb`, or its `callbacks`.

    `disconnected` is whether a connection to a broker broke, or could not be made, since it was last set to False.
    `identity` and `attempt` name the client and what it does, where a call says nothing else, in the words of a denial.
    """

    def __init__(self, identity: Identity = _NOBODY, attempt: Attempt = READ) -> None:
        self._identity, self._attempt = identity, attempt
        self._undelivered: dict[str, KafkaError] = {}  # by topic
        self.refusal: KafkaError | None = None
        self.disconnected = False
        self._obstacle = ("", 0.0)  # and when it was told of
        self._without_broker = 0  # reports one after the other without a broker

    @property
    def lost(self) -> bool:
        """Say whether the client has no broker left that it could connect to, so that a new one has to look for them.

        Where a broker that has just started told it that there are none, librdkafka forgets those that it knew, and
        its first addresses with them, for good, and says nothing (github.com/confluentinc/librdkafka/issues/5301, in
        2.10 to 2.16). Those that are only away it still names in its reports. The coordinator does not count: with
        its connection alone a consumer stays a member, and fetches nothing.
        """
        return self._without_broker >= _SURE

    def callbacks(self) -> dict[str, Any]:
        """Return the settings of a client by which it tells this listener all that it has to say."""
        return {
            "error_cb": self,
            "stats_cb": self.statistics,
            "statistics.interval.ms": int(_STATISTICS * 1000),
        }

    def statistics(self, report: str) -> None:
        """Look for a broker that a client knows, connected or not: pass it as the client's `stats_cb`."""
        brokers = json.loads(report)["brokers"].values()
        knows_one = any(broker["source"] in ("configured", "learned") for broker in brokers)
        self._without_broker = 0 if knows_one else self._without_broker + 1

    def __call__(self, error: KafkaError) -> None:
        """Keep a refusal; that a broker, or who gives the tokens for it, is away just now is no refusal."""
        self.disconnected |= error.code() in _DISCONNECTIONS
        if error.code() not in _REFUSALS:
            return
        text = error.str()
        if _OF_TOKENS in text and not any(words in text for words in _TOKEN_REFUSED):
            self._obstacle = (f" ({text})", time.monotonic())
        else:
            self.refusal = error

    def reports(self) -> dict[str, Any]:
        """Return the settings of a producer by which it tells this listener what could not be delivered."""
        return {"delivery.report.only.error": True, "on_delivery": self.delivered}

    def delivered(self, error: KafkaError | None, message: Message) -> None:
        """Keep the first failure of each topic since `forget_deliveries`: pass it as `on_delivery`."""
        if error is not None:
            self._undelivered.setdefault(message.topic() or "", error)

    def forget_deliveries(self) -> None:
        """Begin anew: what could not be delivered belongs to a transaction that is over."""
        self._undelivered.clear()

    def check_deliveries(self, producer: Producer) -> None:
        """Raise `Fatal` where a record of the open transaction never can be written.

        What else has failed is told by the calls that send offsets and commit.
        """
        for topic, error in self._undelivered.items():
            if isinstance(refusal := self.refused(error, topic), Fatal):
                raise refusal
        if any(error.code() in _PURGED for error in self._undelivered.values()):
            # The transaction has failed, and took them with it. Why, it says to whoever wants to go on.
            try:
                producer.begin_transaction()
            except KafkaException as failure:
                self.check_rights(failure.args[0], WRITE.of(*self._undelivered))

    def refused(self, error: KafkaError, topic: str) -> Fatal | Transient:
        """Return what to raise for a record that could not be written: `Fatal` where it never can be."""
        if msg := denial(error, self._identity, WRITE.of(topic)):
            return Fatal(msg)
        msg = f"{line(error)} (a record for {topic})"
        return Fatal(msg) if error.code() in _UNFIT else Transient(msg)

    def check_rights(self, error: KafkaError, attempt: Attempt | None = None) -> None:
        """Raise `Fatal` where this error says that Kafka does not allow something."""
        if msg := denial(error, self._identity, attempt or self._attempt):
            raise Fatal(msg)

    def check(self, error: KafkaError, attempt: Attempt | None = None) -> None:
        """Raise `Fatal` where this error says that Kafka does not allow something, or that the client has ended.

        A consumer that has ended tells it once, as an error of no record, and is silent from then on.
        """
        self.check_rights(error, attempt)
        if error.fatal() or error.code() == KafkaError._FATAL:  # noqa: SLF001
            raise Fatal(line(error))

    def insisting(
        self, client: _Client, call: Callable[[float], _Answer], patience: float, attempt: Attempt | None = None
    ) -> _Answer:
        """Make a call that may come too early, or before there is a connection; it takes the seconds it may last.

        Repeated in short rounds, so that a refusal is told at once. Raises `Fatal`, and `Transient` after `patience`
        seconds.
        """
        until = time.monotonic() + patience
        while True:
            with self.translated(attempt):
                try:
                    return call(_ROUND)
                except KafkaException as failure:
                    said = client.poll(0)  # what was said in the background is heard in it only
                    if isinstance(said, Message) and (heard := said.error()):
                        self.check(heard, attempt)
                    error: KafkaError = failure.args[0]
                    may_pass = error.code() in _PASSING or error.retriable()
                    if self.refusal or not may_pass or time.monotonic() > until:
                        raise
                    time.sleep(0.05)  # not every answer takes its time

    @contextmanager
    def translated(self, attempt: Attempt | None = None) -> Iterator[None]:
        """Turn what the client raises into `Fatal` where trying again is of no use, else `Transient`."""
        try:
            yield
        except KafkaException as failure:
            error: KafkaError = failure.args[0]
            if self.refusal:
                msg = f"Kafka refuses the connection: {self.refusal.str()}; check FACESTREAM_KAFKA_*"
                raise Fatal(msg) from None
            self.check_rights(error, attempt)
            if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                msg = f"{line(error)}; create the topics with `facestream init`"
                raise Fatal(msg) from failure
            lasting = error.fatal() or error.code() in _WRONG
            obstacle, since = self._obstacle
            msg = line(error) + (obstacle if time.monotonic() < since + _RECENT else "")
            raise (Fatal if lasting else Transient)(msg) from failure


def line(error: KafkaError) -> str:
    """Return an error as one line."""
    return f"Kafka: {error.name()}: {error.str()}"
