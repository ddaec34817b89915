"""Users of Kafka, MinIO and MongoDB for the services: each with its own password, and with its rights alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from shared.access.admin_settings import AdminSettings, Login, check_name, login_of, names_in, secret
from shared.access.rights import RIGHTS, mongo_roles, s3_policy
from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.users import KafkaUsers
from shared.adapters.minio.store import MinioSettings
from shared.adapters.minio.users import MinioUsers
from shared.adapters.mongo.settings import MongoSettings
from shared.adapters.mongo.users import MongoUsers, user_in
from shared.errors import InvalidInput
from shared.settings import BucketSettings

Lines = Iterator[tuple[str, bool]]

_MONITORING = "prometheus"
_METRICS = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["admin:Prometheus"]}]}
"""Who reads MinIO's metrics, by a token that is signed with its password, and what it may do: nothing else."""


@dataclass(frozen=True, slots=True)
class Servers:
    """How `init` reaches the servers: by the administrators' logins where there are some, else by its own.

    `users_of_kafka` is how users reach Kafka, who log in.
    """

    kafka: KafkaSettings
    users_of_kafka: KafkaSettings
    minio: MinioSettings
    mongo: MongoSettings


@dataclass(frozen=True, slots=True)
class Users:
    """The users to be made in each server, by their names without prefix; of MongoDB with the database of the login."""

    kafka: Mapping[str, Login]
    minio: Mapping[str, Login]
    mongo: Mapping[str, tuple[Login, str]]


def servers(admin: AdminSettings) -> Servers:
    """Return the settings of the three servers; raises `InvalidInput`."""
    kafka, minio, mongo = KafkaSettings(), admin.minio, admin.mongo
    if admin.makes_kafka_users and not kafka.security.startswith("SASL"):
        msg = (
            "FACESTREAM_KAFKA_SECURITY: expected SASL_SSL or SASL_PLAINTEXT with FACESTREAM_ADMIN_KAFKA_*,"
            f" found {kafka.security}"
        )
        raise InvalidInput(msg)
    of_minio: dict[str, Any] = (
        {"access_key": SecretStr(minio.user), "secret_key": SecretStr(minio.password)} if minio else {}
    )
    of_mongo: dict[str, Any] = {"uri": SecretStr(mongo)} if mongo else {}
    return Servers(_administered(kafka, admin), kafka, MinioSettings(**of_minio), MongoSettings(**of_mongo))


def _administered(kafka: KafkaSettings, admin: AdminSettings) -> KafkaSettings:
    """Return how Kafka's administrator reaches it; as it is where there is none."""
    if admin.kafka_bootstrap_servers:
        # Not of the environment, which says how to log in.
        return KafkaSettings.model_construct(
            bootstrap_servers=admin.kafka_bootstrap_servers, replication_factor=kafka.replication_factor
        )
    if login := admin.kafka:
        return kafka.as_user(login.user, login.password, admin.kafka_sasl_mechanism)
    return kafka


def make_users(admin: AdminSettings, reached: Servers, buckets: BucketSettings) -> Lines:
    """Bring the users of each server with an administrator up to date; yield lines as `set_up` does.

    A user whose secrets are not in the folder is not made. All files are read before the first change.
    """
    folder = admin.folder()
    if folder is None:
        return
    names = list(names_in(folder))
    users = Users(
        _of_kafka(folder, names) if admin.makes_kafka_users else {},
        _of_minio(folder, names) if admin.minio else {},
        _of_mongo(folder, names) if admin.mongo else {},
    )
    for name in names:
        if name not in {*RIGHTS, _MONITORING}:
            yield f"user {name}: left out: there is no right that it could have", False
    if users.kafka:
        yield from _bring_kafka(users.kafka, KafkaUsers(reached.kafka, reached.users_of_kafka))
    if users.minio:
        yield from _bring_minio(users.minio, reached.minio, buckets)
    if admin.mongo:
        yield from _bring_mongo(users.mongo, reached.mongo, admin.mongo_replica_set)


def _of_kafka(folder: Path, names: list[str]) -> dict[str, Login]:
    files = "FACESTREAM_KAFKA_USERNAME", "FACESTREAM_KAFKA_PASSWORD"
    found = {name: login_of(folder, name, *files) for name in names if name in RIGHTS}
    return {name: login for name, login in found.items() if login}


def _of_minio(folder: Path, names: list[str]) -> dict[str, Login]:
    files = "FACESTREAM_MINIO_ACCESS_KEY", "FACESTREAM_MINIO_SECRET_KEY"
    wanted = {_MONITORING, *(name for name, rights in RIGHTS.items() if rights.buckets)}
    found = {name: login_of(folder, name, *files) for name in names if name in wanted}
    return {name: login for name, login in found.items() if login}


def _of_mongo(folder: Path, names: list[str]) -> dict[str, tuple[Login, str]]:
    """Return the login of each user, and the database that it logs in to."""
    found = {}
    for name in names:
        file = folder / name / "FACESTREAM_MONGO_URI"
        uri = secret(file) if name in RIGHTS and RIGHTS[name].mongo != "none" else None
        if uri:
            found[name] = user_in(uri, str(file))
            check_name(file, name, found[name][0].user)
    return found


def _bring_kafka(logins: Mapping[str, Login], users: KafkaUsers) -> Lines:
    for name, login in logins.items():
        yield from users.bring(login, RIGHTS[name].kafka)


def _bring_minio(logins: Mapping[str, Login], settings: MinioSettings, buckets: BucketSettings) -> Lines:
    users = MinioUsers(settings)
    for name, login in logins.items():
        yield from users.bring(login, _METRICS if name == _MONITORING else s3_policy(RIGHTS[name], buckets))


def _bring_mongo(logins: Mapping[str, tuple[Login, str]], settings: MongoSettings, replica_set: str | None) -> Lines:
    with MongoUsers(settings) as users:
        if replica_set:
            yield from users.found(replica_set)
        for name, (login, database) in logins.items():
            yield from users.bring(login, database, mongo_roles(RIGHTS[name], settings.database))
