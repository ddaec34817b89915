"""The logins of administrators and users that `facestream init` reads: what is missing or another's is refused."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from cli.server_setup.service_users import make_users, servers
from shared.access.admin_settings import AdminSettings, Login, login_of
from shared.adapters.mongo.users import user_in
from shared.errors import InvalidInput
from shared.settings import BucketSettings

_FILES = "FACESTREAM_MINIO_ACCESS_KEY", "FACESTREAM_MINIO_SECRET_KEY"


def write(folder: Path, *contents: str, names: tuple[str, ...] = _FILES) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in zip(names, contents, strict=False):
        (folder / name).write_text(content)
    return folder


@pytest.fixture
def of_services(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what `init` has without an administrator."""
    monkeypatch.setenv("FACESTREAM_MINIO_ACCESS_KEY", "its-own")
    monkeypatch.setenv("FACESTREAM_MINIO_SECRET_KEY", "its-own-password")
    monkeypatch.setenv("FACESTREAM_MONGO_URI", "mongodb://its-own:password@host/")


@pytest.mark.usefixtures("of_services")
def test_without_an_administrator_no_user_is_made_and_init_has_its_own_login() -> None:
    admin = AdminSettings()
    reached = servers(admin)
    assert list(make_users(admin, reached, BucketSettings())) == []
    assert reached.minio.access_key.get_secret_value() == "its-own"
    assert reached.mongo.uri.get_secret_value() == "mongodb://its-own:password@host/"
    assert reached.kafka.security == "PLAINTEXT"


@pytest.mark.usefixtures("of_services")
def test_an_administrator_takes_the_place_of_the_login_of_its_server_alone() -> None:
    admin = AdminSettings(minio_access_key=SecretStr("root"), minio_secret_key=SecretStr("of-root"))
    reached = servers(admin)
    assert reached.minio.secret_key.get_secret_value() == "of-root"
    assert reached.mongo.uri.get_secret_value() == "mongodb://its-own:password@host/"


@pytest.mark.usefixtures("of_services")
def test_an_administrator_of_a_kafka_without_logins_is_refused(tmp_path: Path) -> None:
    admin = AdminSettings(users_dir=tmp_path, kafka_username="admin", kafka_password=SecretStr("n0t-printed"))
    with pytest.raises(InvalidInput, match="FACESTREAM_KAFKA_SECURITY: expected SASL") as caught:
        servers(admin)
    assert "n0t-printed" not in str(caught.value)


def test_an_administrator_of_kafka_who_logs_in_where_nobody_does_is_refused(tmp_path: Path) -> None:
    admin = AdminSettings(
        users_dir=tmp_path,
        kafka_bootstrap_servers="localhost:19093",
        kafka_username="admin",
        kafka_password=SecretStr("n0t-printed"),
    )
    with pytest.raises(InvalidInput, match="FACESTREAM_ADMIN_KAFKA_USERNAME: expected none") as caught:
        admin.folder()
    assert "n0t-printed" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"minio_access_key": SecretStr("root")}, "FACESTREAM_ADMIN_MINIO_SECRET_KEY"),
        ({"minio_secret_key": SecretStr("n0t-printed")}, "FACESTREAM_ADMIN_MINIO_ACCESS_KEY"),
        ({"kafka_password": SecretStr("n0t-printed")}, "FACESTREAM_ADMIN_KAFKA_USERNAME"),
        ({"kafka_username": "admin"}, "FACESTREAM_ADMIN_KAFKA_PASSWORD"),
    ],
)
def test_half_a_login_is_refused(given: dict[str, SecretStr], missing: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=f"{missing}: expected a value beside FACESTREAM_ADMIN_") as caught:
        AdminSettings(users_dir=tmp_path, **given).folder()  # type: ignore[arg-type]  # of the right kind, each
    assert "n0t-printed" not in str(caught.value)


def test_an_administrator_without_users_is_refused(tmp_path: Path) -> None:
    uri = SecretStr("mongodb://root:n0t-printed@host/")
    with pytest.raises(InvalidInput, match=r"FACESTREAM_ADMIN_USERS_DIR: expected the folder of the users.*nothing"):
        AdminSettings(mongo_uri=uri).folder()
    with pytest.raises(InvalidInput, match=r"found no folder: .*none"):
        AdminSettings(mongo_uri=uri, users_dir=tmp_path / "none").folder()


def test_users_without_an_administrator_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="FACESTREAM_ADMIN_USERS_DIR: expected the login of an administrator"):
        AdminSettings(users_dir=tmp_path).folder()


def test_an_empty_variable_is_no_administrator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a file can be overruled where there is nobody to make users for."""
    monkeypatch.setenv(
        "FACESTREAM_SECRETS_DIR", str(write(tmp_path, "mongodb://a:b@c/", names=("FACESTREAM_ADMIN_MONGO_URI",)))
    )
    assert AdminSettings().mongo
    monkeypatch.setenv("FACESTREAM_ADMIN_MONGO_URI", "")
    assert AdminSettings().mongo is None


def test_the_login_of_a_user_is_read_without_the_end_of_its_line(tmp_path: Path) -> None:
    write(tmp_path / "quality", "facestream-quality\n", "p\n")
    assert login_of(tmp_path, "quality", *_FILES) == Login("facestream-quality", "p")
    assert login_of(tmp_path, "detector", *_FILES) is None
    assert "'p'" not in repr(Login("facestream-quality", "p"))


def test_half_the_login_of_a_user_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "quality", "facestream-quality")
    with pytest.raises(InvalidInput, match=r"quality/FACESTREAM_MINIO_SECRET_KEY: expected a file that is not empty"):
        login_of(tmp_path, "quality", *_FILES)


def test_the_login_of_somebody_else_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "quality", "root", "n0t-printed")
    with pytest.raises(InvalidInput, match="expected the user facestream-quality, found root; no other") as caught:
        login_of(tmp_path, "quality", *_FILES)
    assert "n0t-printed" not in str(caught.value)


def test_a_uri_names_a_user_and_where_it_logs_in() -> None:
    assert user_in("mongodb://u:p%40q@host:1/?authSource=admin", "X") == (Login("u", "p@q"), "admin")
    assert user_in("mongodb://u:p@host/faces", "X") == (Login("u", "p"), "faces")
    assert user_in("mongodb://u:p@host", "X") == (Login("u", "p"), "admin")


@pytest.mark.parametrize("uri", ["mongodb://host/", "mongodb://u@host/", "http://u:n0t-printed@host", "n0t-printed"])
def test_a_uri_without_a_user_is_refused_and_not_quoted(uri: str) -> None:
    with pytest.raises(InvalidInput, match=r"^FILE: expected ") as caught:
        user_in(uri, "FILE")
    assert "n0t-printed" not in str(caught.value)
