"""The connection to MongoDB: address, password, TLS, and timeouts."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict
from pymongo import MongoClient
from pymongo.errors import ConfigurationError, InvalidURI

from shared.adapters.mongo.documents import Document
from shared.adapters.mongo.uri import check_uri
from shared.errors import InvalidInput
from shared.settings import OptionalPath, Settings, Unit


class MongoSettings(Settings):
    """Connection to MongoDB. The URI holds the password, so it is never printed."""

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_MONGO_")

    uri: Annotated[
        SecretStr,
        Field(
            description="Connection URI of MongoDB with its login, for example"
            " `mongodb://user:password@host:27017/?authSource=admin`."
        ),
    ] = SecretStr("mongodb://localhost:27017")
    database: Annotated[str, Field(min_length=1, max_length=63, description="Name of the MongoDB database.")] = (
        "facestream"
    )
    ca_file: Annotated[
        OptionalPath,
        Field(
            description="PEM file with the certificate authority that signed MongoDB's certificate. Setting it switches"
            " TLS on."
        ),
    ] = None
    timeout: Annotated[
        float,
        Unit("seconds"),
        Field(
            gt=0,
            le=300,
            description="Longest time in seconds that one request to MongoDB may take, retries included.",
        ),
    ] = 30

    def client(self, login: Mapping[str, str] | None = None) -> MongoClient[Document]:
        """Return a client that writes to a majority of the servers and reads what a majority has; connects later.

        `login`: `username`, `password` and `authSource` of another user than the URI's. Raises `InvalidInput` if the
        settings cannot be used.
        """
        check_uri(self.uri.get_secret_value(), self.ca_file)
        more: dict[str, Any] = {"tls": True, "tlsCAFile": str(self.ca_file)} if self.ca_file else {}
        more |= login or {}
        # By default, the driver waits 30 s for a server, and for an answer without a limit.
        try:
            return MongoClient(
                self.uri.get_secret_value(),
                appname="facestream",
                timeoutMS=self.timeout * 1000,
                connectTimeoutMS=min(self.timeout, 5) * 1000,
                w="majority",
                readConcernLevel="majority",
                retryReads=True,
                retryWrites=True,
                **more,
            )
        except (InvalidURI, ConfigurationError, ValueError, OSError) as error:
            msg = (
                "FACESTREAM_MONGO_URI: expected mongodb://user:password@host:27017/ with special characters "
                f"percent-encoded, found what the driver cannot use ({type(error).__name__}); correct it"
            )
            raise InvalidInput(msg) from None  # the driver's message may quote the password
