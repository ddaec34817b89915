"""Servers as fixtures: one of each kind for all tests of a run, started by the first test that wants it.

To use running servers, set `FACESTREAM_TEST_KAFKA=host:port`,
`FACESTREAM_TEST_MINIO=http://user:password@host:port`, `FACESTREAM_TEST_MONGO=mongodb://...`. Tests share the servers,
so each uses new topics, buckets, keys or a new database. A test that kills a server starts its own in `servers`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from pydantic import SecretStr

from shared.adapters.minio.settings import MinioSettings
from shared.adapters.mongo.settings import MongoSettings
from tools.requirements import need
from tools.stack import KafkaServer, MinioServer, Missing, MongoJavaServer, MongoServer, new_run
from tools.stack.minio import settings_of


@contextmanager
def needed() -> Iterator[None]:
    """Skip the test, or fail it where `CI` is set, if a server's program cannot be had on this machine."""
    try:
        yield
    except Missing as missing:
        need(condition=False, what=missing.what, how_to_get_it=missing.how_to_get_it)


@pytest.fixture(scope="session")
def servers() -> Iterator[Path]:
    """Give a folder; every server whose folder lies in it is stopped at the end."""
    with new_run() as folder:
        yield folder


@pytest.fixture(scope="session")
def kafka(servers: Path) -> str:
    """Give the bootstrap servers of a Kafka."""
    given = os.environ.get("FACESTREAM_TEST_KAFKA")
    if given:
        return given
    with needed():
        return KafkaServer(servers / "kafka").start().bootstrap_servers


@pytest.fixture(scope="session")
def minio(servers: Path) -> MinioSettings:
    """Give the way to a MinIO that sends no notifications."""
    given = os.environ.get("FACESTREAM_TEST_MINIO")
    if given:
        url = urlsplit(given)
        return MinioSettings(
            endpoint=url.netloc.rpartition("@")[2],
            access_key=SecretStr(unquote(url.username or "")),
            secret_key=SecretStr(unquote(url.password or "")),
            secure=url.scheme == "https",
        )
    with needed():
        return settings_of(MinioServer(servers / "minio").start())


@pytest.fixture(scope="session")
def mongo(servers: Path) -> MongoSettings:
    """Give the way to a MongoDB."""
    given = os.environ.get("FACESTREAM_TEST_MONGO")
    with needed():
        return MongoSettings(uri=SecretStr(given or MongoServer(servers / "mongo").start().uri))


@pytest.fixture(scope="session")
def second_mongo(servers: Path) -> MongoSettings:
    """Give the way to a second server of MongoDB's protocol, which shares no code with the first one."""
    with needed():
        return MongoSettings(uri=SecretStr(MongoJavaServer(servers / "second-mongo").start().uri))
