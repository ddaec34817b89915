"""What librdkafka says of a failure, as errors of facestream.

A refused login and a distrusted certificate are told in the background only; the call that waits for the connection
just runs out of time. So a client is built with a `Listener`, and what it heard decides what the timeout means.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from confluent_kafka import KafkaError, KafkaException

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
_NOT_ALLOWED = {
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
}
_WRONG = {
    KafkaError.INVALID_CONFIG,
    KafkaError.INVALID_PARTITIONS,
    KafkaError.INVALID_REPLICATION_FACTOR,
    KafkaError.INVALID_REQUEST,
    KafkaError.POLICY_VIOLATION,
    KafkaError._INVALID_ARG,  # noqa: SLF001
}
# Of a token endpoint librdkafka tells the answer only, whatever it was. These are refusals (RFC 6749, 5.2); all else,
# no answer above all, may pass.
_OF_TOKENS = "Failed to acquire SASL OAUTHBEARER token"
_TOKEN_REFUSED = ("invalid_", "unauthorized_client", "unsupported_grant_type", "access_denied", "certificate")
_RECENT = 30.0  # seconds; a client without a token asks for one every 10 s
_STATISTICS = 2.0  # seconds between two of a client's reports; one takes it a millisecond
_SURE = 3  # reports without a broker; a client that begins anew with its first addresses has none for a moment
_ROUND = 1.0  # seconds of one attempt to connect
_Answer = TypeVar("_Answer")


class _Client(Protocol):
    def poll(self, timeout: float) -> object: ...


class Listener:
    """Hears what one client says in the background: pass it as the client's `error_cb`, or its `callbacks`.

    `disconnected` is whether a connection to a broker broke, or could not be made, since it was last set to False.
    """

    def __init__(self) -> None:
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

    def insisting(self, client: _Client, call: Callable[[float], _Answer], patience: float) -> _Answer:
        """Make a call that may come too early, or before there is a connection; it takes the seconds it may last.

        Repeated in short rounds, so that a refusal is told at once. Raises `Fatal`, and `Transient` after `patience`
        seconds.
        """
        until = time.monotonic() + patience
        while True:
            with self.translated():
                try:
                    return call(_ROUND)
                except KafkaException as failure:
                    client.poll(0)  # what was said in the background is heard in it only
                    error: KafkaError = failure.args[0]
                    may_pass = error.code() in _PASSING or error.retriable()
                    if self.refusal or not may_pass or time.monotonic() > until:
                        raise
                    time.sleep(0.05)  # not every answer takes its time

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn what the client raises into `Fatal` where trying again is of no use, else `Transient`."""
        try:
            yield
        except KafkaException as failure:
            error: KafkaError = failure.args[0]
            if self.refusal:
                msg = f"Kafka refuses the connection: {self.refusal.str()}; check FACESTREAM_KAFKA_*"
                raise Fatal(msg) from None
            if error.code() in _NOT_ALLOWED:
                msg = f"Kafka does not allow this user to do that: {line(error)}"
                raise Fatal(msg) from failure
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
