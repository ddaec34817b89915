"""The adapters of servers against servers that refuse, hang, die and come back."""

from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from uuid import uuid4

import pytest
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider
from pydantic import SecretStr

from shared.adapters.minio.settings import MinioSettings
from shared.adapters.minio.store import MinioStore
from shared.adapters.mongo.repository import MongoRepository
from shared.adapters.mongo.settings import MongoSettings
from shared.domain.events import Outcome
from shared.errors import Fatal, ObjectMissing, ObjectRefused, Transient
from tests.support.fixtures import needed
from tests.support.limits import LIMIT
from tests.support.random_records import face, generation, image, membership
from tools.stack import MinioServer, MongoServer, issue
from tools.stack.minio import settings_of

pytestmark = pytest.mark.slow

_TYPE = "image/png"


@pytest.fixture
def folder(servers: Path) -> Path:
    return servers / uuid4().hex[:8]


@pytest.fixture
def own_minio(folder: Path) -> Iterator[MinioServer]:
    with needed():
        server = MinioServer(folder).start()
    yield server
    server.stop()


@pytest.fixture
def own_mongo(folder: Path) -> Iterator[MongoServer]:
    with needed():
        server = MongoServer(folder).start()
    yield server
    server.stop()


@pytest.fixture(params=["mongo", "second_mongo"])
def each_mongo(request: pytest.FixtureRequest) -> MongoSettings:
    """Give the way to a new database of each server of MongoDB's protocol."""
    settings = request.getfixturevalue(request.param)
    assert isinstance(settings, MongoSettings)
    return settings.model_copy(update={"database": f"test-{uuid4().hex[:8]}"})


def _impatient(server: MinioServer) -> MinioSettings:
    return settings_of(server).model_copy(update={"timeout": 1.0})


@pytest.mark.parametrize("field", ["access_key", "secret_key"])
def test_wrong_credentials_of_minio_are_fatal_and_say_which(minio: MinioSettings, field: str) -> None:
    store = MinioStore(minio.model_copy(update={field: SecretStr("wrong-but-long-enough")}))
    with pytest.raises(Fatal, match=f"FACESTREAM_MINIO_{field.upper()}"):
        store.get("photos", "a.jpg", LIMIT)
    with pytest.raises(Fatal, match=f"FACESTREAM_MINIO_{field.upper()}"):
        store.exists("photos", "a.jpg")


def test_an_object_that_no_listing_shows_exists(minio: MinioSettings) -> None:
    store, at = MinioStore(minio), uuid4().hex
    store.make_bucket("photos")
    store.put("photos", f"{at}/a.jpg", b"1", _TYPE)
    store.put("photos", at, b"beside it", _TYPE)
    assert [info.key for info in store.list("photos", at)] == [at]
    assert store.exists("photos", f"{at}/a.jpg")
    assert not store.exists("photos", f"{at}/b.jpg")


def test_the_404_of_a_proxy_does_not_say_that_an_object_is_not_there(minio: MinioSettings) -> None:
    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(HTTPStatus.NOT_FOUND)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", "9")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(b"not found")

        do_HEAD = do_GET  # noqa: N815  the name is the library's

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        there = minio.model_copy(update={"endpoint": f"127.0.0.1:{server.server_port}", "secure": False})
        with pytest.raises(Transient, match=r"photos/a\.jpg"):
            MinioStore(there).exists("photos", "a.jpg")
    finally:
        server.shutdown()
        server.server_close()


def test_a_bucket_that_was_never_made_is_fatal_for_every_call(minio: MinioSettings) -> None:
    store, bucket = MinioStore(minio), f"never-{uuid4().hex[:8]}"
    calls: list[Callable[[], object]] = [
        lambda: store.get(bucket, "a", LIMIT),
        lambda: store.exists(bucket, "a"),
        lambda: store.put(bucket, "a", b"1", _TYPE),
        lambda: store.remove(bucket, ["a"]),
        lambda: list(store.list(bucket)),
    ]
    for call in calls:
        with pytest.raises(Fatal, match="facestream init"):
            call()


def test_a_key_that_no_object_can_have_is_missing_and_cannot_be_put(minio: MinioSettings) -> None:
    store = MinioStore(minio)
    store.make_bucket("photos")
    store.remove("photos", ["../a", "\ud800"])
    for key in ("", "../a", "a/./b", "\ud800", "x" * 1025, "/".join(["x" * 300] * 2)):
        with pytest.raises(ObjectMissing):
            store.get("photos", key, LIMIT)
        with pytest.raises(ObjectRefused):
            store.put("photos", key, b"1", _TYPE)


def test_an_object_that_this_user_may_not_read_is_refused(own_minio: MinioServer) -> None:
    store = MinioStore(settings_of(own_minio))
    store.make_bucket("photos")
    for key in ("open.jpg", "closed.jpg"):
        store.put("photos", key, b"1", _TYPE)
    admin = MinioAdmin(
        endpoint=own_minio.endpoint,
        credentials=StaticProvider(own_minio.access_key, own_minio.secret_key),
        secure=False,
    )
    allowed = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::photos/open.jpg"]}
    listed = {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::photos"]}
    admin.policy_add("narrow", policy={"Version": "2012-10-17", "Statement": [allowed, listed]})
    admin.user_add("reader", "long-enough-for-a-test")
    admin.policy_set("narrow", user="reader")
    reader = MinioStore(
        settings_of(own_minio).model_copy(
            update={"access_key": SecretStr("reader"), "secret_key": SecretStr("long-enough-for-a-test")}
        )
    )
    assert reader.get("photos", "open.jpg", LIMIT).data == b"1"
    with pytest.raises(ObjectRefused, match=r"closed\.jpg: AccessDenied"):
        reader.get("photos", "closed.jpg", LIMIT)
    assert reader.exists("photos", "open.jpg")
    for key in ("closed.jpg", "never.jpg"):
        with pytest.raises(ObjectRefused, match=f"{key}: AccessDenied"):
            reader.exists("photos", key)
    calls: list[Callable[[], object]] = [
        lambda: reader.put("photos", "open.jpg", b"2", _TYPE),
        lambda: reader.remove("photos", ["open.jpg"]),
    ]
    for call in calls:
        with pytest.raises(Fatal, match="AccessDenied"):
            call()
    elsewhere = {**allowed, "Resource": ["arn:aws:s3:::photos/elsewhere.jpg"]}
    admin.policy_add("narrow", policy={"Version": "2012-10-17", "Statement": [elsewhere]})
    for call in (lambda: reader.get("photos", "open.jpg", LIMIT), lambda: reader.exists("photos", "open.jpg")):
        with pytest.raises(Transient, match="s3:ListBucket"):
            call()


def test_a_minio_that_dies_or_hangs_is_transient_until_it_is_back(own_minio: MinioServer) -> None:
    store = MinioStore(_impatient(own_minio))
    store.make_bucket("photos")
    store.put("photos", "a.jpg", b"1", _TYPE)
    calls: list[Callable[[], object]] = [
        lambda: store.get("photos", "a.jpg", LIMIT),
        lambda: store.put("photos", "b.jpg", b"1", _TYPE),
        lambda: store.remove("photos", ["never"]),
        lambda: list(store.list("photos")),
    ]
    own_minio.freeze()
    for call in calls:
        with pytest.raises(Transient):
            call()
    own_minio.thaw()
    own_minio.kill()
    for call in calls:
        with pytest.raises(Transient):
            call()
    own_minio.restart()
    assert store.get("photos", "a.jpg", LIMIT).data == b"1"


def test_tls_works_with_the_right_authority_and_is_fatal_without(folder: Path) -> None:
    with needed():
        server = MinioServer(folder, certificates=issue(folder / "certificates")).start()
    try:
        settings = settings_of(server)
        assert settings.secure
        store = MinioStore(settings)
        store.make_bucket("photos")
        store.put("photos", "a.jpg", b"1", _TYPE)
        assert store.get("photos", "a.jpg", LIMIT).data == b"1"
        distrustful = MinioStore(settings.model_copy(update={"ca_file": None}))
        with pytest.raises(Fatal, match="FACESTREAM_MINIO_CA_FILE"):
            distrustful.get("photos", "a.jpg", LIMIT)
    finally:
        server.stop()


def test_a_mongodb_that_dies_or_hangs_is_transient_until_it_is_back(own_mongo: MongoServer) -> None:
    settings = MongoSettings(uri=SecretStr(own_mongo.uri), timeout=1)
    with MongoRepository(settings) as repository:
        repository.create_indexes()
        repository.save_faces([face("a", "1")])
        repository.save_generation(generation(1))
        calls: list[Callable[[], object]] = [
            lambda: repository.save_faces([face("b", "1")]),
            lambda: list(repository.faces()),
            lambda: repository.activate(1, None),
            repository.create_indexes,
        ]
        own_mongo.freeze()
        for call in calls:
            with pytest.raises(Transient):
                call()
        own_mongo.thaw()
        own_mongo.kill()
        for call in calls:
            with pytest.raises(Transient):
                call()
        own_mongo.restart()
    with MongoRepository(MongoSettings(uri=SecretStr(own_mongo.uri))) as repository:
        assert next(iter(repository.faces())).face_id == "a"


def test_the_indexes_can_be_created_again(each_mongo: MongoSettings) -> None:
    with MongoRepository(each_mongo) as repository:
        repository.create_indexes()
        repository.save_images([image("1")])
        repository.create_indexes()
        assert [found.outcome for found in repository.images()] == [Outcome.DETECTED]


def test_a_generation_that_is_being_removed_cannot_be_activated(each_mongo: MongoSettings) -> None:
    """What a process leaves behind that dies in the middle of a removal, or that is overtaken by a rollback."""
    with MongoRepository(each_mongo) as repository:
        for number in (1, 2):
            repository.save_generation(generation(number))
            repository.save_memberships([membership(number, "a")])
        assert repository.activate(2, None)
        repository.remove_generation(1)
        # The other process has seen generation 1 before its removal, and writes now.
        repository._collections.generations.insert_one({"_id": 1})
        repository.generation = lambda _: generation(1)  # type: ignore[method-assign,assignment]  # as it saw it
        assert not repository.activate(1, 2)
        del repository.generation
        repository.save_generation(generation(1))
        assert repository.activate(1, 2), "saved anew, it is a generation like any other"
