"""The login, TLS and the roles that stand before a server of MongoDB's protocol, before each of both servers.

They work around what both servers lack (`tools/stack/mongo_login.py`, `mongo_roles.py`, `tls.py`). What they let
through must not depend on the server behind them.
"""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from shared.adapters.mongo.repository import MongoRepository
from shared.adapters.mongo.settings import MongoSettings
from shared.errors import Fatal
from tests.support.random_records import image
from tools.stack import issue
from tools.stack.mongo_login import guarded
from tools.stack.mongo_roles import limited
from tools.stack.tls import terminated

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["mongo", "second_mongo"])
def port(request: pytest.FixtureRequest) -> int:
    """Give the port of each server."""
    settings: MongoSettings = request.getfixturevalue(request.param)
    return urlsplit(settings.uri.get_secret_value()).port or 27017


def _settings(uri: str, ca_file: Path | None = None) -> MongoSettings:
    return MongoSettings(uri=SecretStr(uri), database="proxies", ca_file=ca_file, timeout=10)


def _use(settings: MongoSettings) -> None:
    with MongoRepository(settings) as repository:
        repository.create_indexes()
        repository.save_images([image("one")])
        assert list(repository.images()) == [image("one")]


def test_records_are_kept_behind_tls_and_a_login(port: int, tmp_path: Path) -> None:
    certificates = issue(tmp_path)
    with guarded(port) as login, terminated(certificates, login.port) as outside:
        address = f"127.0.0.1:{outside}/?authMechanism=SCRAM-SHA-256"
        _use(_settings(f"mongodb://{login.user}:{login.password}@{address}", certificates.ca_file))
        assert login.logins
        with pytest.raises(Fatal, match="MongoDB refuses this user"):
            _use(_settings(f"mongodb://{login.user}:wrong@{address}", certificates.ca_file))


def test_a_role_may_do_what_it_names(port: int) -> None:
    with limited(port, "readWrite") as writer, limited(port, "read") as reader, limited(port, "none") as nobody:
        _use(_settings(writer.uri))
        with MongoRepository(_settings(reader.uri)) as repository:
            assert list(repository.images()) == [image("one")]
            with pytest.raises(Fatal, match="not authorized on facestream to execute command update"):
                repository.save_images([image("two")])
        with MongoRepository(_settings(nobody.uri)) as repository, pytest.raises(Fatal, match="command find"):
            list(repository.images())
    assert writer.used == "readWrite"
    assert reader.asked == {("find", "images"), ("update", "images")}
