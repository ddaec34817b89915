"""The connection to MinIO: address, keys, TLS, and timeouts."""

import os
from pathlib import Path
from typing import Annotated

import certifi
import urllib3
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from shared.connections import check_authorities, host_of, is_loopback, warn_of_plain_text
from shared.errors import InvalidInput
from shared.settings import OptionalPath, Settings, Unit


class MinioSettings(Settings):
    """Connection to MinIO. The keys are never printed."""

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_MINIO_")

    endpoint: Annotated[
        str,
        Field(pattern=r"^[^/@\s]+$", description="Host and port of MinIO as `host:port`, without a scheme."),
    ] = "localhost:9000"
    access_key: Annotated[SecretStr, Field(min_length=1, description="Access key of MinIO, which is the user name.")]
    secret_key: Annotated[SecretStr, Field(min_length=1, description="Secret key of MinIO, which is the password.")]
    secure: Annotated[bool, Field(description="Whether to connect to MinIO with TLS.")] = False
    ca_file: Annotated[
        OptionalPath,
        Field(
            description="PEM file with the certificate authority that signed MinIO's certificate. If not set, the"
            " authorities in the file of `SSL_CERT_FILE` are trusted, or else the well-known ones. It requires TLS."
        ),
    ] = None
    region: Annotated[str, Field(min_length=1, description="Name of the region of the buckets.")] = "us-east-1"
    timeout: Annotated[
        float,
        Unit("seconds"),
        Field(gt=0, le=300, description="Longest time in seconds to wait for the next bytes of an answer from MinIO."),
    ] = 30
    connections: Annotated[
        int,
        Field(
            gt=0,
            description="Number of connections to MinIO that are kept open. Set it to the number of threads that call"
            " MinIO at once.",
        ),
    ] = 16

    def authorities(self) -> str:
        """Return the path of the file with the trusted certificate authorities.

        Raises `InvalidInput` if the file is unusable, or has no effect. Warns if the connection has no TLS.
        """
        if not self.secure:
            if self.ca_file:
                msg = (
                    "FACESTREAM_MINIO_CA_FILE: expected FACESTREAM_MINIO_SECURE to be true, without which it has no "
                    "effect and there is no TLS, found false; set that, or leave this out"
                )
                raise InvalidInput(msg)
            if not is_loopback(host_of(self.endpoint)):
                what = "false, so photographs and crops go unencrypted; true where the network is not trusted"
                warn_of_plain_text("FACESTREAM_MINIO_SECURE", what)
            return certifi.where()
        if self.ca_file:
            check_authorities("FACESTREAM_MINIO_CA_FILE", self.ca_file)
        elif systems := os.environ.get("SSL_CERT_FILE"):
            check_authorities("SSL_CERT_FILE", Path(systems))
            return systems
        return str(self.ca_file or certifi.where())


def pool_of(settings: MinioSettings) -> urllib3.PoolManager:
    """Return the connection pool of a client. By default, it would wait for 5 minutes, and try 5 times."""
    return urllib3.PoolManager(
        maxsize=settings.connections,
        timeout=urllib3.Timeout(connect=min(settings.timeout, 5), read=settings.timeout),
        retries=urllib3.Retry(connect=1, read=1, redirect=0, status=0, other=0, backoff_factor=0.1),
        ca_certs=settings.authorities(),
    )
