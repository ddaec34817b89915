"""The passwords of the compose file: made once, one folder for each user, and kept over an upgrade."""

import hmac
from base64 import urlsafe_b64decode
from pathlib import Path

import pytest

from shared.access.rights import RIGHTS
from shared.adapters.mongo.users import user_in
from tools.compose.rules import USERS
from tools.stack.compose_kafka import make_secrets


@pytest.fixture
def made(tmp_path: Path) -> Path:
    make_secrets(tmp_path).main()
    return tmp_path


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_each_user_has_the_logins_that_it_has_rights_with_and_no_other(made: Path) -> None:
    assert {path.name for path in (made / "users").iterdir()} == {*USERS, "prometheus"}
    for name in USERS:
        files = {path.name.removeprefix("FACESTREAM_").partition("_")[0] for path in (made / "users" / name).iterdir()}
        rights = RIGHTS[name]
        wanted = {"KAFKA": rights.kafka, "MINIO": rights.buckets, "MONGO": rights.mongo != "none"}
        assert files == {server for server, has in wanted.items() if has}


def test_no_service_has_the_password_of_another_or_of_an_administrator(made: Path) -> None:
    passwords: dict[str, str] = {}
    for name, value in contents(made / "users").items():
        if name.endswith(("_PASSWORD", "_SECRET_KEY", "_URI")):
            password = user_in(value, name)[0].password if name.endswith("_URI") else value
            assert password not in passwords
            passwords[password] = name
            assert len(password) >= 32
    servers = {name: value for name, value in contents(made).items() if not name.startswith("users/")}
    # MinIO has to know its own in Kafka.
    theirs = {password for password in passwords if any(password in value for value in servers.values())}
    assert {passwords[password] for password in theirs} == {"minio/FACESTREAM_KAFKA_PASSWORD"}
    for of_server in ("minio/password", "mongo/password", "mongo/keyfile", "grafana/password"):
        assert all(servers[of_server] not in value for value in contents(made / "users").values())


def test_nobody_but_the_owner_reads_a_password(made: Path) -> None:
    modes = {str(path.relative_to(made)): path.stat().st_mode & 0o777 for path in made.rglob("*") if path.is_file()}
    # The user of MinIO's image may be any; its folder is mounted by nobody else.
    assert {name for name, mode in modes.items() if mode != 0o400} == {
        "minio/user",
        "minio/password",
        "minio/config.env",
    }
    assert set(modes.values()) == {0o400, 0o444}


def test_a_second_start_changes_nothing(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(made)
    capsys.readouterr()
    make_secrets(made).main()
    assert contents(made) == before
    assert capsys.readouterr().out == ""


def test_an_older_installation_keeps_the_passwords_of_its_servers(tmp_path: Path) -> None:
    """What it had: the servers' passwords, and one folder for all services, which nobody mounts any more."""
    old = {
        "minio/user": "facestream",
        "minio/password": "of-minio",
        "mongo/keyfile": "key",
        "mongo/password": "of-mongo",
        "grafana/password": "of-grafana",
        "facestream/FACESTREAM_MONGO_URI": "mongodb://facestream:of-mongo@mongo:27017/?authSource=admin",
    }
    for name, value in old.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(value)
    make_secrets(tmp_path).main()
    now = contents(tmp_path)
    assert old.items() <= now.items()
    of_admin = {name.removeprefix("admin/FACESTREAM_ADMIN_"): value for name, value in now.items()}
    assert of_admin["MINIO_SECRET_KEY"] == old["minio/password"]
    assert "facestream:of-mongo@" in of_admin["MONGO_URI"]


def test_what_is_made_of_a_password_follows_it(made: Path) -> None:
    for name in ("mongo/password", "users/minio/FACESTREAM_KAFKA_PASSWORD"):
        (made / name).unlink()
        (made / name).write_text("changed")
    make_secrets(made).main()
    now = contents(made)
    assert ":changed@" in now["admin/FACESTREAM_ADMIN_MONGO_URI"]
    assert now["minio/config.env"] == "MINIO_NOTIFY_KAFKA_SASL_PASSWORD_PRIMARY=changed\n"


def test_the_value_of_a_secret_is_never_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_secrets(tmp_path).main()
    said = capsys.readouterr().out
    for name, value in contents(tmp_path).items():
        assert f"created {name}\n" in said
        assert len(value) < 32 or value not in said


def test_the_token_of_prometheus_is_signed_with_the_password_of_its_user(made: Path) -> None:
    said, _, signature = (made / "prometheus" / "minio-token").read_text().rpartition(".")
    secret = (made / "users" / "prometheus" / "FACESTREAM_MINIO_SECRET_KEY").read_bytes()
    assert urlsafe_b64decode(signature + "==") == hmac.digest(secret, said.encode(), "sha512")
