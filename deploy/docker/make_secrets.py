"""Make the passwords of a new installation; what is there is left as it is.

Run by the service `secrets` of docker-compose.yml, as root of its container: every container sees only the folder
that is its own, and can read what is in it with the user that it runs as.
"""

import base64
import os
import secrets
from pathlib import Path

SECRETS = Path("/secrets")
FACESTREAM, MONGO, GRAFANA, ANYBODY = 10001, 999, 472, 0
"""Numbers of the users that the images run as; that of MinIO's image may be any."""

_KEY_BYTES = 72  # makes 96 characters; MongoDB takes 6 to 1024


def keep(name: str, value: str, owner: int) -> str:
    """Write a secret unless there is one, and return the one that holds; whole, or not at all."""
    path = SECRETS / name
    if not path.exists():
        scratch = path.with_name(f".{path.name}")
        scratch.unlink(missing_ok=True)
        scratch.touch(0o600)
        scratch.write_text(value)
        scratch.chmod(0o444 if owner == ANYBODY else 0o400)
        os.chown(scratch, owner, owner)
        scratch.rename(path)
        print(f"made {name}")  # noqa: T201  the container's log; never the value
    return path.read_text()


def main() -> None:
    """Make what each container needs."""
    user = keep("minio/user", "facestream", ANYBODY)
    password = keep("minio/password", secrets.token_urlsafe(32), ANYBODY)
    keep("facestream/FACESTREAM_MINIO_ACCESS_KEY", user, FACESTREAM)
    keep("facestream/FACESTREAM_MINIO_SECRET_KEY", password, FACESTREAM)
    keep("mongo/keyfile", base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode(), MONGO)
    password = keep("mongo/password", secrets.token_urlsafe(32), MONGO)
    uri = f"mongodb://facestream:{password}@mongo:27017/?authSource=admin&directConnection=true"
    keep("facestream/FACESTREAM_MONGO_URI", uri, FACESTREAM)
    keep("grafana/password", secrets.token_urlsafe(24), GRAFANA)


if __name__ == "__main__":
    main()
