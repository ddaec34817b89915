"""Users of Kafka (SCRAM) and their access lists."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin._acl import AclBinding, AclBindingFilter, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.admin._scram import ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

from shared.access.admin_settings import Login
from shared.access.rights import KafkaRight
from shared.adapters.kafka.clients import new_admin
from shared.adapters.kafka.denials import MAKE_USERS, Identity
from shared.adapters.kafka.errors import Listener
from shared.adapters.kafka.settings import KafkaSettings
from shared.errors import Fatal, Transient

_TIMEOUT = 30.0  # seconds for one request
_ROUNDS = 4096  # of SCRAM; Kafka's own number
_MECHANISM = ScramMechanism.SCRAM_SHA_512
_TYPES = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactionalId": ResourceType.TRANSACTIONAL_ID,
    "cluster": ResourceType.BROKER,  # librdkafka's name for the cluster
}
_PATTERNS = {"literal": ResourcePatternType.LITERAL, "prefix": ResourcePatternType.PREFIXED}
_OPERATIONS = {operation.name.replace("_", "").lower(): operation for operation in AclOperation}


class KafkaUsers:
    """Creates and updates users. Raises `Transient`, and `Fatal` if Kafka refuses."""

    def __init__(self, settings: KafkaSettings, of_users: KafkaSettings) -> None:
        """`settings`: of a super user. `of_users`: the connection of the users."""
        self._of_users = of_users
        self._listener = Listener(Identity(settings.username), MAKE_USERS)
        self._client = new_admin(settings, self._listener)

    def bring(self, login: Login, rights: Sequence[KafkaRight]) -> Iterator[tuple[str, bool]]:
        """Give a user its password and its access list; yield a line for each change, with True.

        Rights are only added. For other rights of the user, which stay, yield a line with False.
        """
        name = f"Kafka, user {login.user}"
        found = self._lists(f"User:{login.user}")
        # A login shows whether the user exists. If Kafka refuses to describe users, confluent-kafka 2.16 corrupts its
        # memory.
        if not self._accepts(login):
            self._set_password(login)
            yield f"{name}: {'its password is changed' if found else 'made'}", True
        yield from self._allow(name, {binding for right in rights for binding in _bindings(login.user, right)}, found)

    def _accepts(self, login: Login) -> bool:
        """Return whether this user exists and has this password."""
        listener = Listener()
        settings = self._of_users.as_user(login.user, login.password, "SCRAM-SHA-512")
        client = new_admin(settings, listener)
        try:
            listener.insisting(client, lambda seconds: client.list_topics(timeout=seconds), _TIMEOUT)
        except Fatal:
            if listener.refusal is None:
                raise
            return False
        return True

    def _set_password(self, login: Login) -> None:
        """Set a password, and wait until a broker accepts it: brokers get it from the controller a moment later."""
        info = ScramCredentialInfo(_MECHANISM, _ROUNDS)
        wanted = UserScramCredentialUpsertion(login.user, info, login.password.encode())
        with self._listener.translated():
            self._client.alter_user_scram_credentials([wanted])[login.user].result(_TIMEOUT)
        until = time.monotonic() + _TIMEOUT
        while not self._accepts(login):
            if time.monotonic() > until:
                msg = f"Kafka, user {login.user}: created, but the brokers do not know it after {_TIMEOUT:g} s"
                raise Transient(msg)
            time.sleep(0.1)

    def _allow(self, name: str, wanted: set[AclBinding], found: set[AclBinding]) -> Iterator[tuple[str, bool]]:
        if missing := wanted - found:
            with self._listener.translated():
                try:
                    for done in self._client.create_acls(list(missing), request_timeout=_TIMEOUT).values():
                        done.result(_TIMEOUT)
                except KafkaException as error:
                    if error.args[0].code() != KafkaError.SECURITY_DISABLED:
                        raise
                    yield f"{name}: no rights: this Kafka has no authorizer, so every user may do everything", False
                    return
            yield f"{name}: {len(missing)} rights added, of {len(wanted)}", True
        if more := found - wanted:
            yield f"{name}: left as it is: it has {len(more)} rights more than it needs", False

    def _lists(self, principal: str) -> set[AclBinding]:
        """Return the access list of a user; empty if Kafka has no authorizer, or hides it from this administrator."""
        any_name: Any = None  # the client's types want a name
        everything = AclBindingFilter(
            ResourceType.ANY,
            any_name,
            ResourcePatternType.ANY,
            principal,
            any_name,
            AclOperation.ANY,
            AclPermissionType.ANY,
        )

        def ask(seconds: float) -> set[AclBinding]:
            try:
                return set(self._client.describe_acls(everything, request_timeout=seconds).result(_TIMEOUT))
            except KafkaException as error:
                if error.args[0].code() != KafkaError.SECURITY_DISABLED:
                    raise
                return set()

        return self._listener.insisting(self._client, ask, _TIMEOUT)


def _bindings(user: str, right: KafkaRight) -> Iterator[AclBinding]:
    for operation in right.operations:
        yield AclBinding(
            _TYPES[right.resource],
            right.name,
            _PATTERNS[right.pattern],
            f"User:{user}",
            "*",
            _OPERATIONS[operation.lower()],
            AclPermissionType.ALLOW,
        )
