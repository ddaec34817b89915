"""The connection to Kafka: address, TLS, and login with a password or a token."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from shared.connections import check_authorities, host_of, is_loopback, warn_of_plain_text
from shared.errors import InvalidInput
from shared.settings import OptionalPath, Settings, Unit

_TLS, _LOGIN = ("SSL", "SASL_SSL"), ("SASL_PLAINTEXT", "SASL_SSL")
_WORKS_WITH = {"ca_file": _TLS, "username": _LOGIN, "password": _LOGIN, "sasl_mechanism": _LOGIN}
"""Settings that have an effect only with some security protocols."""

_READABLE = {"PLAIN", "OAUTHBEARER"}  # mechanisms that send the secret itself; SCRAM proves that it is known


class KafkaSettings(Settings):
    """Connection to Kafka. The password is never printed."""

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_KAFKA_")

    bootstrap_servers: Annotated[
        str,
        Field(
            min_length=1,
            description="Addresses of the Kafka brokers to connect to first, as `host:port`, separated by commas.",
        ),
    ] = "localhost:9092"
    security: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
        Field(description="Security protocol of the connections to Kafka."),
    ] = "PLAINTEXT"
    ca_file: Annotated[
        OptionalPath,
        Field(
            description="PEM file with the certificate authority that signed the brokers' certificates. It requires the"
            " protocol SSL or SASL_SSL."
        ),
    ] = None
    sasl_mechanism: Annotated[
        Literal["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN", "OAUTHBEARER"],
        Field(description="SASL mechanism of the login. It requires the protocol SASL_PLAINTEXT or SASL_SSL."),
    ] = "SCRAM-SHA-512"
    username: Annotated[
        str | None, Field(description="SASL user name, or the client id if the mechanism is OAUTHBEARER.")
    ] = None
    password: Annotated[
        SecretStr | None, Field(description="SASL password, or the client secret if the mechanism is OAUTHBEARER.")
    ] = None
    oauth_token_url: Annotated[
        str | None, Field(description="URL of the endpoint that issues the tokens for OAUTHBEARER.")
    ] = None
    oauth_scope: Annotated[
        str | None,
        Field(description="Scope to request from the token endpoint. If not set, the endpoint's default applies."),
    ] = None
    oauth_ca_file: Annotated[
        OptionalPath,
        Field(
            description="PEM file with the certificate authority that signed the token endpoint's certificate. If not"
            " set, the authorities of the system are trusted."
        ),
    ] = None
    transaction_timeout: Annotated[
        float,
        Unit("seconds"),
        Field(
            gt=0,
            description="Time in seconds after which Kafka aborts the transaction of a process that died. Until then,"
            " readers of the same partitions wait.",
        ),
    ] = 15.0
    max_poll_interval: Annotated[
        float,
        Unit("seconds"),
        Field(
            ge=10,
            description="Longest time in seconds that one batch may take. A group member that takes longer loses its"
            " partitions.",
        ),
    ] = 300.0
    replication_factor: Annotated[
        int | None,
        Unit("copies"),
        Field(
            ge=1,
            description="Number of copies of each record in topics that `facestream init` creates. If not set, the"
            " brokers' default applies.",
        ),
    ] = None

    def as_user(self, username: str, password: str, sasl_mechanism: str) -> Self:
        """Return the settings with another login, which uses a password, even if these settings use a token."""
        login = {"username": username, "password": SecretStr(password), "sasl_mechanism": sasl_mechanism}
        return self.model_copy(update=login | dict.fromkeys(("oauth_token_url", "oauth_scope", "oauth_ca_file")))

    def client(self) -> dict[str, Any]:
        """Return the configuration that all clients share, with librdkafka's names.

        Raises `InvalidInput` if a setting is missing, has no effect, or would send a secret unencrypted.
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
        if problem := next(self._problems(), None):
            raise InvalidInput(problem)
        for name, file in {"ca_file": self.ca_file, "oauth_ca_file": self.oauth_ca_file}.items():
            if file:
                check_authorities(_variable(name), file)
        if self.security == "SASL_PLAINTEXT" and not self._is_local:
            warn_of_plain_text(
                _variable("security"),
                "SASL_PLAINTEXT, so records go unencrypted and a password can be guessed from what is overheard; "
                "SASL_SSL where the network is not trusted",
            )

    def _problems(self) -> Iterator[str]:
        """Yield a message for each setting that is missing, has no effect, or would send a secret unencrypted."""
        for name, protocols in _WORKS_WITH.items():
            if self._given(name) and self.security not in protocols:
                yield _without_effect(name, "security", " or ".join(protocols), self.security)
        by_token = self.sasl_mechanism == "OAUTHBEARER"
        for name in ("oauth_token_url", "oauth_scope", "oauth_ca_file"):
            if self._given(name) and not (by_token and self.security in _LOGIN):
                yield _without_effect(name, "sasl_mechanism", "OAUTHBEARER", self.sasl_mechanism)
        if self.security not in _LOGIN:
            return
        for name in ("username", "password", *(["oauth_token_url"] if by_token else [])):
            if not self._given(name):
                yield f"{_variable(name)}: expected a value for {self.sasl_mechanism}, found none"
        if self.sasl_mechanism in _READABLE and self.security == "SASL_PLAINTEXT" and not self._is_local:
            yield (
                f"{_variable('security')}: expected SASL_SSL for {self.sasl_mechanism}, whose secret would go "
                "unencrypted to another machine, found SASL_PLAINTEXT; set SASL_SSL, or a mechanism of SCRAM"
            )
        if by_token:
            yield from self._problems_of_endpoint()

    def _problems_of_endpoint(self) -> Iterator[str]:
        # The message does not quote the address, which may contain a password.
        name = _variable("oauth_token_url")
        try:
            url = urlsplit(self.oauth_token_url or "")
            host = url.hostname
        except ValueError:
            url, host = urlsplit(""), None
        if not host or url.scheme not in {"http", "https"}:
            yield f"{name}: expected an address that begins with https:// and names a host, found another; correct it"
        elif url.scheme == "http" and not is_loopback(host):
            yield (
                f"{name}: expected https://, since the client secret is sent there, found http:// and another "
                "machine; ask for the token over TLS"
            )
        elif url.scheme == "http" and self.oauth_ca_file:
            yield _without_effect("oauth_ca_file", "oauth_token_url", "https://", "http://")

    def _given(self, name: str) -> bool:
        return name in self.model_fields_set and bool(getattr(self, name))

    @property
    def _is_local(self) -> bool:
        return all(is_loopback(host_of(server)) for server in self.bootstrap_servers.split(","))


def _variable(name: str) -> str:
    return f"FACESTREAM_KAFKA_{name.upper()}"


def _without_effect(name: str, needed: str, values: str, found: str) -> str:
    return (
        f"{_variable(name)}: expected {_variable(needed)} to be {values}, without which it has no effect, "
        f"found {found}; set that, or leave this out"
    )
