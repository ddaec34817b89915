"""Users of Kafka, MinIO and MongoDB: one for each service, with its own password and only the rights it needs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from shared.access.admin_settings import AdminSettings, Login, check_name, login_of, names_in, secret
from shared.access.rights import RIGHTS, mongo_roles, s3_policy
from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.users import KafkaUsers
from shared.adapters.minio.settings import MinioSettings
from shared.adapters.minio.users import MinioUsers
from shared.adapters.mongo.settings import MongoSettings
from shared.adapters.mongo.users import MongoUsers, user_in
from shared.errors import InvalidInput
from shared.settings import BucketSettings

Lines = Iterator[tuple[str, bool]]

_MONITORING = "prometheus"
_METRICS = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["admin:Prometheus"]}]}
"""The only right of the user that reads MinIO's metrics, with a token that is signed with its password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Connection settings of `init`: with the login of an administrator if there is one, else with its own.

    `users_of_kafka`: the settings with which the users themselves connect to Kafka; they log in.
    """

    kafka: KafkaSettings
    users_of_kafka: KafkaSettings
    minio: MinioSettings
    mongo: MongoSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Users:
    """The logins to create on each server, by user name without prefix; for MongoDB with the database of the login."""

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
    return Servers(
        kafka=_administered(kafka, admin),
        users_of_kafka=kafka,
        minio=MinioSettings(**of_minio),
        mongo=MongoSettings(**of_mongo),
    )


def _administered(kafka: KafkaSettings, admin: AdminSettings) -> KafkaSettings:
    """Return the connection settings of Kafka's administrator, or `kafka` itself if there is none."""
    if admin.kafka_bootstrap_servers:
        # Without the environment, which configures a login.
        return KafkaSettings.model_construct(
            bootstrap_servers=admin.kafka_bootstrap_servers, replication_factor=kafka.replication_factor
        )
    if login := admin.kafka:
        return kafka.as_user(login.user, login.password, admin.kafka_sasl_mechanism)
    return kafka


def make_users(admin: AdminSettings, reached: Servers, buckets: BucketSettings) -> Lines:
    """Create or update the users on each server with an administrator; yield lines, each with whether it is a change.

    A user without secrets in the folder is not created. All files are read before the first change.
    """
    folder = admin.folder()
    if folder is None:
        return
    names = list(names_in(folder))
    users = Users(
        kafka=_of_kafka(folder, names) if admin.makes_kafka_users else {},
        minio=_of_minio(folder, names) if admin.minio else {},
        mongo=_of_mongo(folder, names) if admin.mongo else {},
    )
    for name in names:
        if name not in {*RIGHTS, _MONITORING}:
            yield f"user {name}: left out: no service has this name, so it has no rights", False
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
    """Return the login of each user, and the database to which it logs in."""
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
