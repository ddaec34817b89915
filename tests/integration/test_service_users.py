"""`facestream init` makes the users of the services: in compose's Kafka, in MinIO, behind a login like MongoDB's."""

import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
import yaml
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin._acl import AclBinding, AclBindingFilter, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from minio import Minio, MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import S3Error
from pydantic import SecretStr
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from typer.testing import CliRunner

from cli.main import app
from shared.access.rights import RIGHTS
from shared.adapters.kafka.admin import KafkaAdmin
from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.minio.settings import MinioSettings
from shared.adapters.minio.store import MinioStore
from shared.errors import Fatal, InvalidInput
from tests.support.fixtures import needed
from tests.support.limits import LIMIT
from tools.stack import MinioServer, MongoServer
from tools.stack.compose_kafka import ComposeKafka, make_secrets
from tools.stack.minio import settings_of
from tools.stack.mongo_login import Login, guarded

pytestmark = pytest.mark.slow

_DATABASE = "facestream"
_ALLOW = AclPermissionType.ALLOW
_OPTIONS = "directConnection=true&authMechanism=SCRAM-SHA-256"


@pytest.fixture(scope="module")
def secrets(servers: Path) -> Path:
    """Give the folder that `make_secrets` makes."""
    folder = servers / "making-users" / "secrets"
    make_secrets(folder).main()
    return folder


@pytest.fixture(scope="module")
def kafka(servers: Path) -> ComposeKafka:
    with needed():
        server = ComposeKafka(servers / "making-users" / "kafka")
        server.start()
    return server


@pytest.fixture(scope="module")
def minio(servers: Path, secrets: Path, kafka: ComposeKafka) -> MinioServer:
    """Give compose's MinIO, which logs in to Kafka; its user there is not made yet when it starts."""
    compose = yaml.safe_load((Path(__file__).parents[2] / "docker-compose.yml").read_text(encoding="utf-8"))
    environment = compose["services"]["minio"]["environment"]

    class Server(MinioServer):
        def environment(self) -> dict[str, str]:
            login = {name: value for name, value in environment.items() if "KAFKA_SASL" in name}
            return super().environment() | login | {"MINIO_CONFIG_ENV_FILE": str(secrets / "minio" / "config.env")}

    root = {name: (secrets / "minio" / name).read_text() for name in ("user", "password")}
    with needed():
        server = Server(
            servers / "making-users" / "minio",
            access_key=root["user"],
            secret_key=root["password"],
            kafka=kafka.bootstrap_servers,
        )
        server.start()
    return server


@pytest.fixture(scope="module")
def mongo(servers: Path) -> Iterator[Login]:
    with needed():
        server = MongoServer(servers / "making-users" / "mongo").start()
    with guarded(server.port) as login:
        login.users.members = None
        yield login
    server.stop()


@pytest.fixture
def environment(
    secrets: Path, kafka: ComposeKafka, minio: MinioServer, mongo: Login, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Set the environment of compose's `init`; give the folder of the users."""
    uri = f"mongodb://{mongo.user}:{mongo.password}@127.0.0.1:{mongo.port}/?{_OPTIONS}"
    for name, value in {
        "FACESTREAM_SECRETS_DIR": str(secrets / "admin"),
        "FACESTREAM_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "FACESTREAM_KAFKA_SECURITY": "SASL_PLAINTEXT",
        "FACESTREAM_KAFKA_REPLICATION_FACTOR": "1",
        "FACESTREAM_MINIO_ENDPOINT": minio.endpoint,
        "FACESTREAM_ADMIN_USERS_DIR": str(secrets / "users"),
        "FACESTREAM_ADMIN_KAFKA_BOOTSTRAP_SERVERS": kafka.itself,
        "FACESTREAM_ADMIN_MONGO_URI": uri,
        "FACESTREAM_ADMIN_MONGO_REPLICA_SET": "rs0",
    }.items():
        monkeypatch.setenv(name, value)
    return secrets / "users"


def init(*arguments: str) -> list[str]:
    """Run `facestream init` and return its lines."""
    done = CliRunner().invoke(app, ["init", *arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout.splitlines()


def of_kafka(kafka: ComposeKafka, users: Path, name: str) -> KafkaSettings:
    user, password = ((users / name / f"FACESTREAM_KAFKA_{part}").read_text() for part in ("USERNAME", "PASSWORD"))
    return kafka.reached().model_copy(update={"username": user, "password": SecretStr(password)})


def of_minio(minio: MinioServer, users: Path, name: str) -> MinioSettings:
    keys = ((users / name / f"FACESTREAM_MINIO_{part}").read_text() for part in ("ACCESS_KEY", "SECRET_KEY"))
    user, password = keys
    return settings_of(minio).model_copy(update={"access_key": SecretStr(user), "secret_key": SecretStr(password)})


def test_every_user_is_made_once_and_a_second_run_has_nothing_to_do(environment: Path, mongo: Login) -> None:
    lines = init("--partitions", "2")
    assert "MongoDB, replica set rs0: made of 127.0.0.1" in "\n".join(lines)
    for name in sorted(path.name for path in environment.iterdir()):
        rights = RIGHTS.get(name)
        user = f"user facestream-{name}"
        assert (f"Kafka, {user}: made" in lines) == bool(rights and rights.kafka)
        assert (f"MinIO, {user}: made" in lines) == (rights is None or bool(rights.buckets))
        assert any(f"MongoDB, {user}: made" in line for line in lines) == bool(rights and rights.mongo != "none")
    assert "bucket photos: changes are sent to arn:minio:sqs::PRIMARY:kafka" in lines
    assert init("--partitions", "2") == ["nothing to change"]
    assert mongo.users.roles["facestream-reconciler"] == [{"role": "read", "db": _DATABASE}]
    assert mongo.users.roles["facestream-assigner"] == [{"role": "readWrite", "db": _DATABASE}]
    assert "facestream-detector" not in mongo.users.roles


def test_no_line_holds_a_secret(environment: Path) -> None:
    (environment / "quality" / "FACESTREAM_KAFKA_PASSWORD").unlink()
    (environment / "quality" / "FACESTREAM_KAFKA_PASSWORD").write_text("another-of-kafka")
    said = "\n".join(init())
    assert "user facestream-quality" in said
    for file in environment.rglob("FACESTREAM_*"):
        if "USERNAME" not in file.name and "ACCESS_KEY" not in file.name:
            assert file.read_text() not in said


def test_a_service_may_do_in_minio_what_the_table_says_and_no_more(environment: Path, minio: MinioServer) -> None:
    init()
    detector = MinioStore(of_minio(minio, environment, "detector"))
    minio.client().put_object("photos", "a.jpg", io.BytesIO(b"a photograph"), 12)
    assert detector.get("photos", "a.jpg", LIMIT).data == b"a photograph"
    detector.put("faces", "a/0.png", b"a crop", "image/png")
    with pytest.raises(Fatal, match="AccessDenied"):
        detector.put("photos", "b.jpg", b"not its own", "image/jpeg")
    embedder = MinioStore(of_minio(minio, environment, "embedder"))
    assert embedder.get("faces", "a/0.png", LIMIT).data == b"a crop"
    with pytest.raises(Fatal, match="AccessDenied"):
        list(embedder.list("photos"))


def test_a_service_may_do_in_kafka_what_the_table_says_and_no_more(environment: Path, kafka: ComposeKafka) -> None:
    init()
    assert KafkaAdmin(of_kafka(kafka, environment, "detector")).extents("images.uploaded")
    consumer = Consumer({**of_kafka(kafka, environment, "quality").client(), "group.id": "any", "log_level": 0})
    refused = consumer.list_topics("images.uploaded", timeout=20).topics["images.uploaded"].error
    consumer.close()
    assert refused is not None
    assert refused.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED


def test_minio_tells_kafka_as_a_user_that_was_made_after_its_start(
    environment: Path, kafka: ComposeKafka, minio: MinioServer
) -> None:
    init()
    admin = KafkaAdmin(of_kafka(kafka, environment, "cli"))
    before = sum(last for _, last in admin.extents("images.uploaded").values())
    minio.client().put_object("photos", "told.jpg", io.BytesIO(b"x"), 1)
    assert sum(last for _, last in admin.extents("images.uploaded").values()) == before + 1


@pytest.mark.parametrize("listener", ["bootstrap_servers", "external"])
def test_kafka_is_closed_to_who_does_not_log_in(kafka: ComposeKafka, listener: str) -> None:
    consumer = Consumer({"bootstrap.servers": getattr(kafka, listener), "group.id": "anybody", "log_level": 0})
    with pytest.raises(KafkaException):
        consumer.list_topics(timeout=3)
    consumer.close()


def test_a_consumer_reads_the_events_outside_and_not_the_vectors(environment: Path, kafka: ComposeKafka) -> None:
    init()
    login = of_kafka(kafka, environment, "reader").model_copy(update={"bootstrap_servers": kafka.external})
    consumer = Consumer({**login.client(), "group.id": "downstream.test", "log_level": 0})
    assert consumer.get_watermark_offsets(TopicPartition("faces.assigned", 0), timeout=20)
    with pytest.raises(KafkaException):
        consumer.get_watermark_offsets(TopicPartition("faces.embedded", 0), timeout=5)
    consumer.close()


def test_an_administrator_that_logs_in_makes_users_too(
    environment: Path, kafka: ComposeKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Kafka has no listener without a login: here a user is made a super user's equal for a while."""
    init()
    login = of_kafka(kafka, environment, "cli")
    assert login.username
    assert login.password
    monkeypatch.delenv("FACESTREAM_ADMIN_KAFKA_BOOTSTRAP_SERVERS")
    monkeypatch.setenv("FACESTREAM_ADMIN_KAFKA_USERNAME", login.username)
    monkeypatch.setenv("FACESTREAM_ADMIN_KAFKA_PASSWORD", login.password.get_secret_value())
    with pytest.raises(
        Fatal, match=r"user facestream-cli make users and give them rights \(CLUSTER.*Alter of the cluster"
    ):
        init()
    admin = kafka.admin()
    everything = [
        AclBinding(kind, name, ResourcePatternType.LITERAL, "User:facestream-cli", "*", operation, _ALLOW)
        for kind, name, operation in (
            (ResourceType.BROKER, "kafka-cluster", AclOperation.ALL),
            (ResourceType.TOPIC, "*", AclOperation.ALL),
        )
    ]
    for done in admin.create_acls(everything).values():
        done.result(30)
    try:
        lines = init()
        assert "Kafka, user facestream-cli: left as it is: it has 2 rights more than it needs" in lines
        assert lines[-1] == "nothing to change"
    finally:
        filters = [
            AclBindingFilter(
                kind, name, ResourcePatternType.LITERAL, "User:facestream-cli", "*", AclOperation.ALL, _ALLOW
            )
            for kind, name in ((ResourceType.BROKER, "kafka-cluster"), (ResourceType.TOPIC, "*"))
        ]
        for gone in admin.delete_acls(filters).values():
            gone.result(30)


@pytest.mark.usefixtures("environment")
def test_users_with_passwords_are_made_beside_services_that_log_in_with_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    init()
    for name, value in {"SASL_MECHANISM": "OAUTHBEARER", "OAUTH_TOKEN_URL": "http://localhost:1/token"}.items():
        monkeypatch.setenv(f"FACESTREAM_KAFKA_{name}", value)
    monkeypatch.setenv("FACESTREAM_KAFKA_OAUTH_SCOPE", "records")
    assert init() == ["nothing to change"]


@pytest.mark.usefixtures("environment")
def test_a_policy_that_was_taken_from_its_user_is_given_again_and_told(minio: MinioServer) -> None:
    init()
    admin = MinioAdmin(
        endpoint=minio.endpoint, credentials=StaticProvider(minio.access_key, minio.secret_key), secure=False
    )
    admin.detach_policy(["facestream-quality"], user="facestream-quality")
    assert init() == ["MinIO, user facestream-quality: has its policy again"]
    assert init() == ["nothing to change"]


def test_a_password_that_changed_in_its_file_is_changed_in_the_servers(
    environment: Path, kafka: ComposeKafka, minio: MinioServer, mongo: Login
) -> None:
    init()
    old = of_minio(minio, environment, "assigner"), of_kafka(kafka, environment, "assigner")
    folder = environment / "assigner"
    for name, value in {
        "FACESTREAM_KAFKA_PASSWORD": "changed-kafka",
        "FACESTREAM_MINIO_SECRET_KEY": "changed-minio",
        "FACESTREAM_MONGO_URI": "mongodb://facestream-assigner:changed-mongo@mongo:27017/?authSource=admin",
    }.items():
        (folder / name).unlink()
        (folder / name).write_text(value)
    lines = init()
    assert [line for line in lines if "its password is changed" in line] == [
        f"{server}, user facestream-assigner: its password is changed" for server in ("Kafka", "MinIO", "MongoDB")
    ]
    assert len(lines) == 3
    MinioStore(of_minio(minio, environment, "assigner")).reach("faces")
    with pytest.raises(Fatal, match="SignatureDoesNotMatch"):
        list(MinioStore(old[0]).list("faces"))
    assert KafkaAdmin(of_kafka(kafka, environment, "assigner")).extents("faces.embedded")
    with pytest.raises(Fatal, match="refuses the connection"):
        KafkaAdmin(old[1]).extents("faces.embedded")
    uri = f"mongodb://facestream-assigner:changed-mongo@127.0.0.1:{mongo.port}/?{_OPTIONS}"
    with MongoClient[dict[str, object]](uri) as client:
        client[_DATABASE]["images"].find_one()
    with MongoClient[dict[str, object]](uri.replace("changed", "old")) as client, pytest.raises(OperationFailure):
        client[_DATABASE]["images"].find_one()


@pytest.mark.usefixtures("environment")
def test_what_others_gave_a_user_stays_and_is_told(minio: MinioServer, mongo: Login) -> None:
    init()
    admin = MinioAdmin(
        endpoint=minio.endpoint, credentials=StaticProvider(minio.access_key, minio.secret_key), secure=False
    )
    admin.attach_policy(["readonly"], user="facestream-cli")
    mongo.users.roles["facestream-cli"].append({"role": "read", "db": "reports"})
    mongo.users.roles["facestream-reconciler"].append({"role": "readWrite", "db": _DATABASE})
    for _ in range(2):
        lines = init()
        assert "MinIO, user facestream-cli: left as it is: it has other policies too: readonly" in lines
        assert "MongoDB, user facestream-cli: left as it is: it has other roles too: read of reports" in lines
    assert {"role": "read", "db": "reports"} in mongo.users.roles["facestream-cli"]
    assert mongo.users.roles["facestream-reconciler"] == [{"role": "read", "db": _DATABASE}]


@pytest.mark.parametrize(
    ("name", "file", "value"),
    [
        ("assigner", "FACESTREAM_MONGO_URI", "mongodb://facestream:r00t@mongo/?authSource=admin"),
        ("detector", "FACESTREAM_MINIO_ACCESS_KEY", "facestream"),
        ("quality", "FACESTREAM_KAFKA_USERNAME", "admin"),
    ],
)
def test_a_user_of_another_name_is_never_changed(environment: Path, name: str, file: str, value: str) -> None:
    path = environment / name / file
    (environment / "embedder" / "FACESTREAM_KAFKA_PASSWORD").unlink()  # what would be changed if this went on
    (environment / "embedder" / "FACESTREAM_KAFKA_PASSWORD").write_text(f"before-{name}")
    before = path.read_text()
    path.unlink()
    path.write_text(value)
    try:
        with pytest.raises(
            InvalidInput, match=f"expected the user facestream-{name}, found (facestream|admin);"
        ) as caught:
            init()
        assert "r00t" not in str(caught.value)
    finally:
        path.write_text(before)
    assert "Kafka, user facestream-embedder: its password is changed" in init()


def test_a_folder_of_nobody_is_told_and_left(environment: Path) -> None:
    (environment / "stranger").mkdir()
    (environment / "stranger" / "FACESTREAM_KAFKA_USERNAME").write_text("facestream-stranger")
    try:
        lines = init()
        assert "user stranger: left out: no service has this name, so it has no rights" in lines
        assert lines[-1] == "nothing to change"
    finally:
        shutil.rmtree(environment / "stranger")


@pytest.mark.usefixtures("environment")
def test_an_administrator_who_may_not_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESTREAM_ADMIN_MINIO_ACCESS_KEY", "facestream")
    monkeypatch.setenv("FACESTREAM_ADMIN_MINIO_SECRET_KEY", "n0t-the-password")
    with pytest.raises(Fatal, match=r"SignatureDoesNotMatch.*FACESTREAM_ADMIN_MINIO") as caught:
        init()
    assert "n0t-the-password" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_metrics_of_minio_are_told_to_prometheus_alone(environment: Path, secrets: Path, minio: MinioServer) -> None:
    init()
    url = f"http://{minio.endpoint}/minio/v2/metrics/cluster"
    token = (secrets / "prometheus" / "minio-token").read_text()
    assert urllib3.request("GET", url, retries=False).status == 403
    answer = urllib3.request("GET", url, headers={"Authorization": f"Bearer {token}"}, retries=False)
    assert answer.status == 200
    assert b"minio_cluster" in answer.data
    client = Minio(
        minio.endpoint,
        (environment / "prometheus" / "FACESTREAM_MINIO_ACCESS_KEY").read_text(),
        (environment / "prometheus" / "FACESTREAM_MINIO_SECRET_KEY").read_text(),
        secure=False,
    )
    with pytest.raises(S3Error, match="AccessDenied"):
        list(client.list_objects("photos"))
