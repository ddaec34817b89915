"""How to reach Kafka: plainly, by TLS, with a password or with a token."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from shared.errors import InvalidInput
from shared.settings import Settings


class KafkaSettings(Settings):
    """How to reach Kafka. The password is never printed."""

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_KAFKA_")

    bootstrap_servers: Annotated[str, Field(min_length=1, description="host:port, several separated by commas")] = (
        "localhost:9092"
    )
    security: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"], Field(description="security protocol")
    ] = "PLAINTEXT"
    ca_file: Annotated[Path | None, Field(description="PEM of the authority that signed the brokers' certificates")] = (
        None
    )
    sasl_mechanism: Annotated[
        Literal["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN", "OAUTHBEARER"], Field(description="how to log in")
    ] = "SCRAM-SHA-512"
    username: Annotated[str | None, Field(description="SASL user, or OAuth client id")] = None
    password: Annotated[SecretStr | None, Field(description="SASL password, or OAuth client secret")] = None
    oauth_token_url: Annotated[str | None, Field(description="token endpoint of OAUTHBEARER")] = None
    oauth_scope: Annotated[str | None, Field(description="scope that is asked for there; absent: its default")] = None
    oauth_ca_file: Annotated[
        Path | None, Field(description="PEM of the authority that signed its certificate; absent: the system's")
    ] = None
    transaction_timeout: Annotated[
        float, Field(gt=0, description="seconds; an open transaction of a killed process holds readers up for so long")
    ] = 15.0
    max_poll_interval: Annotated[
        float,
        Field(ge=10, description="seconds a batch may take; a member that is silent for longer loses its partitions"),
    ] = 300.0
    replication_factor: Annotated[
        int | None, Field(ge=1, description="copies of each record in new topics; absent: the brokers' default")
    ] = None

    def client(self) -> dict[str, Any]:
        """Return the part of the configuration that every client shares, by librdkafka's names.

        Raises `InvalidInput` where something of it is missing.
        """
        self._check()
        configuration: dict[str, Any] = {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": self.security,
        }
        if self.ca_file:
            configuration["ssl.ca.location"] = str(self.ca_file)
        if self.security.startswith("SASL"):
            configuration["sasl.mechanism"] = self.sasl_mechanism
            secret = self.password.get_secret_value() if self.password else ""
            if self.sasl_mechanism == "OAUTHBEARER":
                configuration |= {
                    "sasl.oauthbearer.method": "oidc",
                    "sasl.oauthbearer.token.endpoint.url": self.oauth_token_url or "",
                    "sasl.oauthbearer.client.id": self.username or "",
                    "sasl.oauthbearer.client.secret": secret,
                }
                if self.oauth_scope:
                    configuration["sasl.oauthbearer.scope"] = self.oauth_scope
                if self.oauth_ca_file:
                    configuration["https.ca.location"] = str(self.oauth_ca_file)
            else:
                configuration |= {"sasl.username": self.username or "", "sasl.password": secret}
        return configuration

    def _check(self) -> None:
        by_token = self.sasl_mechanism == "OAUTHBEARER"
        needed = {"username": self.username, "password": self.password and self.password.get_secret_value()}
        needed |= {"oauth_token_url": self.oauth_token_url} if by_token else {}
        if self.security.startswith("SASL"):
            for name in (name for name, value in needed.items() if not value):
                msg = f"FACESTREAM_KAFKA_{name.upper()}: expected a value for {self.sasl_mechanism}, found none"
                raise InvalidInput(msg)
        for name, file in {"ca_file": self.ca_file, "oauth_ca_file": self.oauth_ca_file}.items():
            if file and not file.is_file():
                msg = f"FACESTREAM_KAFKA_{name.upper()}: expected a file, found none: {file}"
                raise InvalidInput(msg)
