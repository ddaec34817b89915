"""Messages for denied rights in Kafka: which user may not do what, and which right is missing.

Rights have the names of Kafka's access lists (`kafka-acls.sh`, Strimzi's `KafkaUser`).
"""

from dataclasses import dataclass

from confluent_kafka import KafkaError


@dataclass(frozen=True, slots=True)
class Identity:
    """The names of a client in Kafka; None if it does not use one."""

    user: str | None = None
    group: str | None = None
    transactional_id: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a client tries to do. `{}` in `words` stands for the names of `topics`. `rights`: needed on each of them.

    Without `{}`, the rights are needed on the cluster.
    """

    words: str
    rights: str
    topics: tuple[str, ...] = ()

    def of(self, *topics: str) -> "Attempt":
        """Return the same attempt on these topics."""
        return Attempt(self.words, self.rights, topics)


READ = Attempt("read {}", "Read and Describe")
WRITE = Attempt("write to {}", "Write and Describe")
LOOK_AT = Attempt("look at {}", "Describe")
CREATE = Attempt("make {}", "Create")
CONFIGURATION = Attempt("see the configuration of {}", "DescribeConfigs")
CONFIGURE = Attempt("change the configuration of {}", "AlterConfigs")
EXTEND = Attempt("add partitions to {}", "Alter")
MAKE_USERS = Attempt("make users and give them rights", "Alter")
REMOVE_RECORDS = Attempt("remove records of {}", "Delete and Describe")

_TOPIC, _GROUP = KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED
_TRANSACTIONAL_ID = KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
_CLUSTER = KafkaError.CLUSTER_AUTHORIZATION_FAILED
_DENIALS = (_TOPIC, _GROUP, _TRANSACTIONAL_ID, _CLUSTER)


def denial(error: KafkaError, identity: Identity, attempt: Attempt) -> str | None:
    """Return the message of an error that denies a right, one line; None for any other error."""
    code = _denied(error)
    if code is None:
        return None
    who = f"user {identity.user}" if identity.user else "this client"
    topics = ", ".join(attempt.topics) or "a topic"
    deed, right = {
        _TOPIC: (
            attempt.words.format(topics),
            f"{attempt.rights} of {'this' if len(attempt.topics) == 1 else 'each'} topic",
        ),
        _GROUP: (f"use the group {identity.group or ''}".rstrip(), "Read and Describe of this group"),
        _TRANSACTIONAL_ID: (
            f"write in transactions as {identity.transactional_id or 'it does'}",
            "Write and Describe of this transactional id",
        ),
        _CLUSTER: (attempt.words.format(topics), f"{attempt.rights} of the cluster"),
    }[code]
    return f"Kafka refuses to let {who} {deed} ({KafkaError(code).name()}): give it {right}"


def _denied(error: KafkaError) -> int | None:
    """Return the code of a denial, None for other errors. The fatal error of a consumer has it only in its text."""
    if error.code() in _DENIALS:
        return error.code()
    if error.code() == KafkaError._FATAL:  # noqa: SLF001  librdkafka's own name
        return next((code for code in _DENIALS if KafkaError(code).str() in error.str()), None)
    return None
