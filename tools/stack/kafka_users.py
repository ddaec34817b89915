"""Users of a test Kafka and their access lists; which rights they use."""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from confluent_kafka.admin._acl import AclBinding, AclBindingFilter, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.admin._scram import ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

from shared.access.rights import KafkaRight
from tools.stack.kafka import KafkaServer

_TIMEOUT = 30.0  # seconds
_HOST = "*"
_KINDS = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactionalId": ResourceType.TRANSACTIONAL_ID,
    "cluster": ResourceType.BROKER,
}
_LINE = re.compile(
    r"Principal = User:(?P<user>\S+) is (?P<answer>Allowed|Denied) operation = (?P<operation>\w+) from host = \S+ "
    r"on resource = (?P<resource>\w+):LITERAL:(?P<name>\S+) for request = (?P<request>\w+)"
)


@dataclass(frozen=True, slots=True)
class Decision:
    """A right that a user has used or lacked. `operation` and `resource` are spelled as in access lists."""

    user: str
    resource: str
    name: str
    operation: str
    allowed: bool


def add_user(server: KafkaServer, user: str, password: str, rights: Collection[KafkaRight] = ()) -> None:
    """Create a user of Kafka with these rights."""
    admin = server.admin()  # a variable, because the pending answers end with the client
    credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    made = UserScramCredentialUpsertion(user, credential, password.encode())
    allowed = [AclBinding(*_acl(user, right, operation)) for right in rights for operation in right.operations]
    waiting = [*admin.alter_user_scram_credentials([made]).values()]
    if allowed:
        waiting += admin.create_acls(allowed).values()
    for done in waiting:
        done.result(_TIMEOUT)


def grant(server: KafkaServer, user: str, right: KafkaRight, operation: str) -> None:
    """Allow a user one operation."""
    admin = server.admin()
    (done,) = admin.create_acls([AclBinding(*_acl(user, right, operation))]).values()
    done.result(_TIMEOUT)


def withdraw(server: KafkaServer, user: str, right: KafkaRight, operation: str) -> None:
    """Withdraw one operation from a user."""
    admin = server.admin()
    (done,) = admin.delete_acls([AclBindingFilter(*_acl(user, right, operation))]).values()
    assert len(done.result(_TIMEOUT)) == 1


@contextmanager
def without(server: KafkaServer, user: str, right: KafkaRight, operation: str) -> Iterator[None]:
    """Withdraw one operation from a user within the block."""
    withdraw(server, user, right, operation)
    try:
        yield
    finally:
        grant(server, user, right, operation)


def decisions(server: KafkaServer) -> Iterator[Decision]:
    """Yield every decision that the authorizer has logged so far."""
    for line in server.audit.read_text(encoding="utf-8").splitlines():
        if found := _LINE.match(line):
            kind, operation = _RESOURCES[found["resource"]], _words(found["operation"])
            yield Decision(found["user"], kind, found["name"], operation, allowed=found["answer"] == "Allowed")


_RESOURCES: Mapping[str, str] = {
    "Topic": "topic",
    "Group": "group",
    "TransactionalId": "transactionalId",
    "Cluster": "cluster",
}


def _words(operation: str) -> str:
    """Return `DescribeConfigs` for `DESCRIBE_CONFIGS`."""
    return operation.title().replace("_", "")


def _acl(
    user: str, right: KafkaRight, operation: str
) -> tuple[ResourceType, str, ResourcePatternType, str, str, AclOperation, AclPermissionType]:
    kind = ResourcePatternType.PREFIXED if right.pattern == "prefix" else ResourcePatternType.LITERAL
    named = AclOperation[re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).upper()]
    return _KINDS[right.resource], right.name, kind, f"User:{user}", _HOST, named, AclPermissionType.ALLOW
