"""MongoDB over TLS and with a user: what works, and how a refusal is told.

No server that can be had here speaks TLS or knows users, so both stand before one, in this process.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from shared.adapters.mongo.repository import MongoRepository
from shared.adapters.mongo.settings import MongoSettings
from shared.errors import FacestreamError, Fatal, Transient
from tests.support.fixtures import needed
from tests.support.random_records import image
from tools.stack import Certificates, MongoServer, issue
from tools.stack.mongo_login import Login, guarded
from tools.stack.tls import terminated

pytestmark = pytest.mark.slow

_WRONG = "wr0ng-and-n0t-t0-be-printed"


@pytest.fixture(scope="module")
def certificates(servers: Path) -> Certificates:
    return issue(servers / "secure-mongo" / "certificates")


@pytest.fixture(scope="module")
def login(servers: Path) -> Iterator[Login]:
    with needed():
        server = MongoServer(servers / "secure-mongo").start()
    with guarded(server.port) as login:
        yield login
    server.stop()


@pytest.fixture(scope="module")
def settings(login: Login, certificates: Certificates) -> Iterator[MongoSettings]:
    with terminated(certificates, login.port) as port:
        yield MongoSettings(
            uri=SecretStr(f"mongodb://{login.user}:{login.password}@127.0.0.1:{port}/?authMechanism=SCRAM-SHA-256"),
            ca_file=certificates.ca_file,
            timeout=10,
        )


def use(settings: MongoSettings) -> None:
    with MongoRepository(settings) as repository:
        repository.create_indexes()
        repository.save_images([image("one")])
        assert [found.image_id for found in repository.images()] == [image("one").image_id]


def test_records_are_kept_and_found_over_tls_with_a_user(settings: MongoSettings, login: Login) -> None:
    use(settings)
    assert login.logins


def with_uri(settings: MongoSettings, old: str, new: str) -> MongoSettings:
    return settings.model_copy(update={"uri": SecretStr(settings.uri.get_secret_value().replace(old, new))})


@pytest.mark.parametrize("part", ["user", "password"])
def test_a_wrong_user_or_password_is_refused_and_not_quoted(settings: MongoSettings, login: Login, part: str) -> None:
    with pytest.raises(Fatal, match=r"MongoDB refuses this user.*check the URI") as caught:
        use(with_uri(settings, getattr(login, part), _WRONG))
    assert _WRONG not in str(caught.value)
    assert login.password not in str(caught.value)


def test_without_a_user_nothing_is_read(settings: MongoSettings, login: Login) -> None:
    anonymous = with_uri(settings, f"{login.user}:{login.password}@", "")
    with pytest.raises(Fatal, match="MongoDB refuses this user"):
        use(with_uri(anonymous, "authMechanism=SCRAM-SHA-256", ""))


def test_a_mongodb_with_a_certificate_of_a_foreign_authority_is_not_spoken_to(
    settings: MongoSettings, tmp_path: Path
) -> None:
    foreign = settings.model_copy(update={"ca_file": issue(tmp_path).ca_file, "timeout": 2.0})
    with pytest.raises(Fatal, match="FACESTREAM_MONGO_CA_FILE"):
        use(foreign)


def test_a_mongodb_that_speaks_tls_is_not_reached_without(settings: MongoSettings) -> None:
    with pytest.raises(FacestreamError) as caught:
        use(settings.model_copy(update={"ca_file": None, "timeout": 2.0}))
    assert type(caught.value) is Transient
