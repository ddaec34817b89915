"""Make the passwords of a new installation; what is there is left as it is.

Run by the service `secrets` of docker-compose.yml, as root of its container: every container sees only the folder
that is its own, and can read what is in it with the user that it runs as.

`users/NAME` is what the service of that name needs and nothing else, by the table of rights. `admin` has the logins by
which `facestream init` makes those users. The other folders are the servers' own.
"""

import base64
import hmac
import json
import os
import secrets
from pathlib import Path

from shared.access.rights import PREFIX, RIGHTS

SECRETS = Path("/secrets")
FACESTREAM, MONGO, GRAFANA, PROMETHEUS, ANYBODY = 10001, 999, 472, 65534, 0
"""Numbers of the users that the images run as; that of MinIO's image may be any."""

USERS = tuple(name for name in RIGHTS if name not in {"init", "keda"})
"""`init` has the administrators' logins here, and in Kafka none: it works within Kafka's own network. Nobody scales."""

_KEY_BYTES = 72  # makes 96 characters; MongoDB takes 6 to 1024
_YEAR_2100 = 4102444800  # seconds; until then Prometheus' token holds


def keep(name: str, value: str, owner: int) -> str:
    """Write a secret unless there is one, and return the one that holds; whole, or not at all."""
    path = SECRETS / name
    if not path.exists():
        _write(path, value, owner)
        print(f"made {name}")  # noqa: T201  the container's log; never the value
    return path.read_text()


def follow(name: str, value: str, owner: int) -> None:
    """Write what is made of another secret; where that was changed, this one is too."""
    path = SECRETS / name
    if not path.exists() or path.read_text() != value:
        print(f"{'changed' if path.exists() else 'made'} {name}")  # noqa: T201  as above
        _write(path, value, owner)


def _write(path: Path, value: str, owner: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}")
    scratch.unlink(missing_ok=True)
    scratch.touch(0o600)
    scratch.write_text(value)
    scratch.chmod(0o444 if owner == ANYBODY else 0o400)
    os.chown(scratch, owner, owner)
    scratch.rename(path)


def password() -> str:
    """Return a new password: letters, digits, `-` and `_`, which no file format and no URI takes for anything else."""
    return secrets.token_urlsafe(32)


def make_user(name: str) -> None:
    """Make the folder of one service: its login for each server that it has a right on."""
    user, rights = f"{PREFIX}-{name}", RIGHTS[name]
    if rights.kafka:
        keep(f"users/{name}/FACESTREAM_KAFKA_USERNAME", user, FACESTREAM)
        keep(f"users/{name}/FACESTREAM_KAFKA_PASSWORD", password(), FACESTREAM)
    if rights.buckets:
        keep(f"users/{name}/FACESTREAM_MINIO_ACCESS_KEY", user, FACESTREAM)
        keep(f"users/{name}/FACESTREAM_MINIO_SECRET_KEY", password(), FACESTREAM)
    if rights.mongo != "none":
        uri = f"mongodb://{user}:{password()}@mongo:27017/?authSource=admin&directConnection=true"
        keep(f"users/{name}/FACESTREAM_MONGO_URI", uri, FACESTREAM)


def make_minio() -> None:
    """Make MinIO's administrator, and tell MinIO its own login to Kafka."""
    user = keep("minio/user", "facestream", ANYBODY)
    secret = keep("minio/password", password(), ANYBODY)
    follow("admin/FACESTREAM_ADMIN_MINIO_ACCESS_KEY", user, FACESTREAM)
    follow("admin/FACESTREAM_ADMIN_MINIO_SECRET_KEY", secret, FACESTREAM)
    login = (SECRETS / "users" / "minio" / "FACESTREAM_KAFKA_PASSWORD").read_text()
    follow("minio/config.env", f"MINIO_NOTIFY_KAFKA_SASL_PASSWORD_PRIMARY={login}\n", ANYBODY)


def make_mongo() -> None:
    """Make MongoDB's administrator."""
    keep("mongo/keyfile", base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode(), MONGO)
    secret = keep("mongo/password", password(), MONGO)
    uri = f"mongodb://facestream:{secret}@mongo:27017/?authSource=admin&directConnection=true"
    follow("admin/FACESTREAM_ADMIN_MONGO_URI", uri, FACESTREAM)


def make_monitoring() -> None:
    """Make Grafana's password, and the token by which Prometheus may read MinIO's metrics."""
    keep("grafana/password", password(), GRAFANA)
    user = keep("users/prometheus/FACESTREAM_MINIO_ACCESS_KEY", f"{PREFIX}-prometheus", FACESTREAM)
    secret = keep("users/prometheus/FACESTREAM_MINIO_SECRET_KEY", password(), FACESTREAM)
    follow("prometheus/minio-token", token(user, secret), PROMETHEUS)


def token(user: str, secret: str) -> str:
    """Return the JSON web token of a user that may read MinIO's metrics, as `mc admin prometheus generate` makes it."""
    claims = {"exp": _YEAR_2100, "iss": "prometheus", "sub": user}
    said = f"{_encoded(json.dumps({'alg': 'HS512', 'typ': 'JWT'}).encode())}.{_encoded(json.dumps(claims).encode())}"
    return f"{said}.{_encoded(hmac.digest(secret.encode(), said.encode(), 'sha512'))}"


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def main() -> None:
    """Make what each container needs."""
    for name in USERS:
        make_user(name)
    make_minio()
    make_mongo()
    make_monitoring()


if __name__ == "__main__":
    main()
