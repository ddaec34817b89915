"""Create the passwords of a new installation; existing ones are kept.

The service `secrets` of docker-compose.yml runs this as root of its container. Every other container mounts only its
own folder, whose files belong to the user of the container.

`users/NAME` has the logins of the service NAME, by the table of rights. `admin` has the administrators' logins with
which `facestream init` creates those users. The other folders belong to the servers.
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
"""User ids of the images; MinIO's image may run as any user."""

USERS = tuple(name for name in RIGHTS if name not in {"init", "keda"})
"""Without `init`, which has the administrators' logins, and `keda`, since compose does not scale by lag."""

_KEY_BYTES = 72  # 96 characters in base64; MongoDB accepts 6 to 1024
_YEAR_2100 = 4102444800  # seconds since 1970: when the token of Prometheus expires


def keep(name: str, value: str, owner: int) -> str:
    """Write a secret atomically unless it exists; return the stored one."""
    path = SECRETS / name
    if not path.exists():
        _write(path, value, owner)
        print(f"created {name}")  # noqa: T201  for the log, without the value
    return path.read_text()


def follow(name: str, value: str, owner: int) -> None:
    """Write a value derived from another secret, also if that has changed."""
    path = SECRETS / name
    if not path.exists() or path.read_text() != value:
        print(f"{'changed' if path.exists() else 'created'} {name}")  # noqa: T201  as above
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
    """Return a new password of letters, digits, `-` and `_`, which need no escaping in files and URIs."""
    return secrets.token_urlsafe(32)


def make_user(name: str) -> None:
    """Write the folder of a service: its login to each server on which it has rights."""
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
    """Write the login of MinIO's administrator, and the login of MinIO to Kafka."""
    user = keep("minio/user", "facestream", ANYBODY)
    secret = keep("minio/password", password(), ANYBODY)
    follow("admin/FACESTREAM_ADMIN_MINIO_ACCESS_KEY", user, FACESTREAM)
    follow("admin/FACESTREAM_ADMIN_MINIO_SECRET_KEY", secret, FACESTREAM)
    login = (SECRETS / "users" / "minio" / "FACESTREAM_KAFKA_PASSWORD").read_text()
    follow("minio/config.env", f"MINIO_NOTIFY_KAFKA_SASL_PASSWORD_PRIMARY={login}\n", ANYBODY)


def make_mongo() -> None:
    """Write the login of MongoDB's administrator, and the key file of its replica set."""
    keep("mongo/keyfile", base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode(), MONGO)
    secret = keep("mongo/password", password(), MONGO)
    uri = f"mongodb://facestream:{secret}@mongo:27017/?authSource=admin&directConnection=true"
    follow("admin/FACESTREAM_ADMIN_MONGO_URI", uri, FACESTREAM)


def make_monitoring() -> None:
    """Write Grafana's password, and the token with which Prometheus reads MinIO's metrics."""
    keep("grafana/password", password(), GRAFANA)
    user = keep("users/prometheus/FACESTREAM_MINIO_ACCESS_KEY", f"{PREFIX}-prometheus", FACESTREAM)
    secret = keep("users/prometheus/FACESTREAM_MINIO_SECRET_KEY", password(), FACESTREAM)
    follow("prometheus/minio-token", token(user, secret), PROMETHEUS)


def token(user: str, secret: str) -> str:
    """Return a JSON web token to read MinIO's metrics, like that of `mc admin prometheus generate`."""
    claims = {"exp": _YEAR_2100, "iss": "prometheus", "sub": user}
    signed = f"{_encoded(json.dumps({'alg': 'HS512', 'typ': 'JWT'}).encode())}.{_encoded(json.dumps(claims).encode())}"
    return f"{signed}.{_encoded(hmac.digest(secret.encode(), signed.encode(), 'sha512'))}"


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def main() -> None:
    """Write all secrets."""
    for name in USERS:
        make_user(name)
    make_minio()
    make_mongo()
    make_monitoring()


if __name__ == "__main__":
    main()
