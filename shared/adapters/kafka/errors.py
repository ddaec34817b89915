"""Errors of librdkafka as errors of facestream.

The client reports a refused login or an untrusted certificate only to a callback; the call that waits for the
connection just times out. So each client is created with a `Listener`, whose reports decide what a timeout means.
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
    # A broker may not know a topic or a partition yet that was created a moment ago.
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
# Of a record: every attempt to write it fails.
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
# librdkafka reports the answer of a token endpoint only as a text. These are refusals (RFC 6749, 5.2); anything else
# may pass, above all no answer.
_OF_TOKENS = "Failed to acquire SASL OAUTHBEARER token"
_TOKEN_REFUSED = ("invalid_", "unauthorized_client", "unsupported_grant_type", "access_denied", "certificate")
_RECENT = 30.0  # seconds; a client without a token asks for one every 10 s
_STATISTICS = 2.0  # seconds between two reports of a client; a report takes about a millisecond
_SURE = 3  # reports without a broker; while a client returns to its first addresses, it has none for a moment
_ROUND = 1.0  # seconds of one attempt to connect
_NOBODY = Identity()
_Answer = TypeVar("_Answer")


class _Client(Protocol):
    def poll(self, timeout: float) -> object: ...


class Listener:
    """Gets the reports of one client: pass it as the client's `error_cb`, or pass its `callbacks`.

    `disconnected`: whether a connection to a broker broke, or could not be made, since it was last set to False.
    `refusal`: the error with which a broker refused the connection. `identity` and `attempt` name the client and what
    it does in messages of denied rights, if a call does not name another attempt.
    """

    def __init__(self, identity: Identity = _NOBODY, attempt: Attempt = READ) -> None:
        self._identity, self._attempt = identity, attempt
        self._undelivered: dict[str, KafkaError] = {}  # by topic
        self.refusal: KafkaError | None = None
        self.disconnected = False
        self._obstacle = ("", 0.0)  # why there is no token, and the time of that report: monotonic, in seconds
        self._without_broker = 0  # successive reports without a broker

    @property
    def lost(self) -> bool:
        """Whether the client knows no broker any more, so that it must be replaced by a new one.

        If a broker that has just started answers that there are no brokers, librdkafka permanently forgets all that it
        knew, its first addresses included, without an error (github.com/confluentinc/librdkafka/issues/5301, in 2.10 to
        2.16). Its reports still name brokers that only do not answer. The coordinator does not count: with that
        connection alone, a consumer stays a member and fetches nothing.
        """
        return self._without_broker >= _SURE

    def callbacks(self) -> dict[str, Any]:
        """Return the settings of a client that reports errors and statistics to this listener."""
        return {
            "error_cb": self,
            "stats_cb": self.statistics,
            "statistics.interval.ms": int(_STATISTICS * 1000),
        }

    def statistics(self, report: str) -> None:
        """Look for a broker that the client knows, connected or not: pass it as the client's `stats_cb`."""
        brokers = json.loads(report)["brokers"].values()
        knows_one = any(broker["source"] in ("configured", "learned") for broker in brokers)
        self._without_broker = 0 if knows_one else self._without_broker + 1

    def __call__(self, error: KafkaError) -> None:
        """Keep a refusal. It is no refusal if a broker, or the token endpoint, does not answer."""
        self.disconnected |= error.code() in _DISCONNECTIONS
        if error.code() not in _REFUSALS:
            return
        text = error.str()
        if _OF_TOKENS in text and not any(words in text for words in _TOKEN_REFUSED):
            self._obstacle = (f" ({text})", time.monotonic())
        else:
            self.refusal = error

    def reports(self) -> dict[str, Any]:
        """Return the settings of a producer that reports failed deliveries to this listener."""
        return {"delivery.report.only.error": True, "on_delivery": self.delivered}

    def delivered(self, error: KafkaError | None, message: Message) -> None:
        """Keep the first failure of each topic since `forget_deliveries`: pass it as `on_delivery`."""
        if error is not None:
            self._undelivered.setdefault(message.topic() or "", error)

    def forget_deliveries(self) -> None:
        """Forget all failed deliveries: their transaction has ended."""
        self._undelivered.clear()

    def check_deliveries(self, producer: Producer) -> None:
        """Raise `Fatal` if a record of the open transaction can never be written.

        Other failures are raised by the calls that send offsets and commit.
        """
        for topic, error in self._undelivered.items():
            if isinstance(refusal := self.refused(error, topic), Fatal):
                raise refusal
        if any(error.code() in _PURGED for error in self._undelivered.values()):
            # The transaction has failed, so its records were discarded. The next call returns the reason.
            try:
                producer.begin_transaction()
            except KafkaException as failure:
                self.check_rights(failure.args[0], WRITE.of(*self._undelivered))

    def refused(self, error: KafkaError, topic: str) -> Fatal | Transient:
        """Return what to raise for a record that could not be written: `Fatal` if it can never be written."""
        if msg := denial(error, self._identity, WRITE.of(topic)):
            return Fatal(msg)
        msg = f"{line(error)} (a record for {topic})"
        return Fatal(msg) if error.code() in _UNFIT else Transient(msg)

    def check_rights(self, error: KafkaError, attempt: Attempt | None = None) -> None:
        """Raise `Fatal` if this error denies a right."""
        if msg := denial(error, self._identity, attempt or self._attempt):
            raise Fatal(msg)

    def check(self, error: KafkaError, attempt: Attempt | None = None) -> None:
        """Raise `Fatal` if this error denies a right, or if the client has ended.

        A consumer that has ended reports it once, as an error without a record, and then reports nothing any more.
        """
        self.check_rights(error, attempt)
        if error.fatal() or error.code() == KafkaError._FATAL:  # noqa: SLF001
            raise Fatal(line(error))

    def insisting(
        self, client: _Client, call: Callable[[float], _Answer], timeout: float, attempt: Attempt | None = None
    ) -> _Answer:
        """Repeat a call until it succeeds: it may come too early, or before there is a connection.

        `call` gets the seconds that it may take. These are few, so that a refusal is raised at once. Raises `Fatal`,
        and `Transient` after `timeout` seconds.
        """
        until = time.monotonic() + timeout
        while True:
            with self.translated(attempt):
                try:
                    return call(_ROUND)
                except KafkaException as failure:
                    polled = client.poll(0)  # the client calls its callbacks only while it is polled
                    if isinstance(polled, Message) and (reported := polled.error()):
                        self.check(reported, attempt)
                    error: KafkaError = failure.args[0]
                    may_pass = error.code() in _PASSING or error.retriable()
                    if self.refusal or not may_pass or time.monotonic() > until:
                        raise
                    time.sleep(0.05)  # some calls fail at once

    @contextmanager
    def translated(self, attempt: Attempt | None = None) -> Iterator[None]:
        """Translate the client's exceptions: `Fatal` if another attempt cannot succeed, else `Transient`."""
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
