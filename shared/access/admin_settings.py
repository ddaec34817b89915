"""Logins of the servers' administrators: only `facestream init` reads them, to make the users of the services."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from shared.access.rights import PREFIX
from shared.errors import InvalidInput
from shared.settings import OptionalPath, Settings


@dataclass(frozen=True, slots=True)
class Login:
    """A user of a server; the password is never printed."""

    user: str
    password: str = field(repr=False)


class AdminSettings(Settings):
    """Administrators of the servers.

    `facestream init` logs in with them and creates a user for each service. If none is set, it creates no users.
    """

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_ADMIN_")

    users_dir: Annotated[
        OptionalPath,
        Field(
            description="Folder with one folder for each user to create (detector, quality, ...), which holds the"
            " user's login in files named like the variables."
        ),
    ] = None
    minio_access_key: Annotated[
        SecretStr | None,
        Field(description="Access key of MinIO's root user, or of another user who may create users."),
    ] = None
    minio_secret_key: Annotated[SecretStr | None, Field(description="Secret key of MinIO's administrator.")] = None
    mongo_uri: Annotated[
        SecretStr | None, Field(description="Connection URI of a MongoDB user who may create users.")
    ] = None
    mongo_replica_set: Annotated[
        str | None,
        Field(
            description="Name of the replica set to initiate on a MongoDB server that belongs to none. If not set, no"
            " replica set is initiated."
        ),
    ] = None
    kafka_bootstrap_servers: Annotated[
        str | None,
        Field(
            description="Address, as `host:port`, of a Kafka listener without login and TLS whose clients are all super"
            " users. Such a listener must be open on the loopback interface only."
        ),
    ] = None
    kafka_username: Annotated[
        str | None, Field(description="Name of a Kafka super user, if the brokers have no listener without login.")
    ] = None
    kafka_password: Annotated[SecretStr | None, Field(description="Password of the Kafka super user.")] = None
    kafka_sasl_mechanism: Annotated[
        Literal["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"],
        Field(description="SASL mechanism with which the Kafka super user logs in."),
    ] = "SCRAM-SHA-512"

    @property
    def minio(self) -> Login | None:
        """The administrator of MinIO."""
        return self._login("MINIO_ACCESS_KEY", _text(self.minio_access_key), "MINIO_SECRET_KEY", self.minio_secret_key)

    @property
    def mongo(self) -> str | None:
        """The URI of MongoDB's administrator, with its password."""
        return _text(self.mongo_uri)

    @property
    def kafka(self) -> Login | None:
        """The administrator of Kafka; None if the listener needs no login."""
        return self._login("KAFKA_USERNAME", self.kafka_username, "KAFKA_PASSWORD", self.kafka_password)

    @property
    def makes_kafka_users(self) -> bool:
        """Whether there is an administrator of Kafka, with a login or without."""
        return bool(self.kafka_bootstrap_servers or self.kafka)

    def folder(self) -> Path | None:
        """Return the folder of the users' logins; None if no administrator is configured.

        Raises `InvalidInput` if one of the two is missing, or if Kafka's administrator is configured twice.
        """
        if self.kafka_bootstrap_servers and self.kafka:
            msg = (
                "FACESTREAM_ADMIN_KAFKA_USERNAME: expected none beside FACESTREAM_ADMIN_KAFKA_BOOTSTRAP_SERVERS, where "
                "nobody logs in, found one; leave one of them out"
            )
            raise InvalidInput(msg)
        if not (self.minio or self.mongo or self.makes_kafka_users):
            if self.users_dir:
                msg = "FACESTREAM_ADMIN_USERS_DIR: expected the login of an administrator beside it, found none"
                raise InvalidInput(msg)
            return None
        if not self.users_dir or not self.users_dir.is_dir():
            where = f"found no folder: {self.users_dir}" if self.users_dir else "found nothing"
            msg = f"FACESTREAM_ADMIN_USERS_DIR: expected the folder of the users that are to be made, {where}"
            raise InvalidInput(msg)
        return self.users_dir

    def _login(self, user: str, name: str | None, secret: str, value: SecretStr | None) -> Login | None:
        password = _text(value)
        if bool(name) != bool(password):
            given, missing = (user, secret) if name else (secret, user)
            msg = f"FACESTREAM_ADMIN_{missing}: expected a value beside FACESTREAM_ADMIN_{given}, found none"
            raise InvalidInput(msg)
        return Login(name, password) if name and password else None


def login_of(folder: Path, name: str, user_file: str, password_file: str) -> Login | None:
    """Return the login in the folder of a user; None if it has neither of the two files.

    Raises `InvalidInput` if one is missing, or if the user name is not one of the product's: an administrator's
    password or rights must never be changed to those of a service.
    """
    files = [folder / name / file for file in (user_file, password_file)]
    found = [secret(file) for file in files]
    if not any(found):
        return None
    for file, value in zip(files, found, strict=True):
        if not value:
            msg = f"{file}: expected a file that is not empty"
            raise InvalidInput(msg)
    user, password = (value or "" for value in found)
    check_name(files[0], name, user)
    return Login(user, password)


def check_name(file: Path, name: str, user: str) -> None:
    """Raise `InvalidInput` unless a user has the name that the product gives it."""
    if user != user_of(name):
        msg = f"{file}: expected the user {user_of(name)}, found {user}; no other user is made or changed"
        raise InvalidInput(msg)


def user_of(name: str) -> str:
    """Return the name that a user has in every server."""
    return f"{PREFIX}-{name}"


def secret(file: Path) -> str | None:
    """Return the content of a file without surrounding white space; None if there is no such file."""
    try:
        return file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{file}: cannot be read: {type(error).__name__}"
        raise InvalidInput(msg) from None


def names_in(folder: Path) -> Iterator[str]:
    """Yield the names of the folders of users, in order."""
    yield from sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _text(value: SecretStr | None) -> str | None:
    return (value.get_secret_value() if value else "") or None
