"""A stack whose users may do what the table of rights says, and nothing else; its servers keep who has used what."""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from shared.access.rights import RIGHTS, BucketRight, Rights, s3_policy
from shared.settings import BucketSettings
from tools.stack import KafkaServer, MinioServer, MongoServer
from tools.stack.granting import add_user
from tools.stack.mongo_roles import Role, limited
from tools.stack.stack import Stack

_ACTIONS = {
    "DeleteMultipleObjects": "s3:DeleteObject",
    "GetBucketNotification": "s3:GetBucketNotification",
    "GetObject": "s3:GetObject",
    "HeadBucket": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "ListObjectsV2": "s3:ListBucket",
    "PutBucket": "s3:CreateBucket",
    "PutBucketNotification": "s3:PutBucketNotification",
    "PutObject": "s3:PutObject",
}
"""What S3 asks for, by the names that MinIO's log has of requests."""


@dataclass(frozen=True, slots=True)
class Requested:
    """A request that MinIO has answered: who, an action, the bucket."""

    user: str
    action: str
    bucket: str
    allowed: bool


@dataclass
class Granted:
    """The servers, with a user for each row of the table. `requested`: what MinIO was asked; `roles`: by user."""

    stack: Stack
    passwords: Mapping[str, str]
    roles: Mapping[str, Role]
    requested: set[Requested] = field(default_factory=set)

    def environment(self, user: str) -> dict[str, str]:
        """Return the settings by which a program is this user everywhere."""
        kafka, minio = self.stack.kafka, self.stack.minio
        return {
            "FACESTREAM_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "FACESTREAM_KAFKA_SECURITY": kafka.security,
            "FACESTREAM_KAFKA_USERNAME": user,
            "FACESTREAM_KAFKA_PASSWORD": self.passwords[user],
            "FACESTREAM_MINIO_ENDPOINT": minio.endpoint,
            "FACESTREAM_MINIO_ACCESS_KEY": user,
            "FACESTREAM_MINIO_SECRET_KEY": self.passwords[user],
            "FACESTREAM_MONGO_URI": self.roles[user].uri,
        }

    @contextmanager
    def acting_as(self, user: str) -> Iterator[None]:
        """Be a user, in this process."""
        with pytest.MonkeyPatch.context() as environment:
            for name, value in self.environment(user).items():
                environment.setenv(name, value)
            yield

    def allow(self, rights: Rights, buckets: BucketSettings) -> None:
        """Have MinIO allow its user what these rights say, and no longer what it allowed before."""
        admin = self.stack.minio.admin()
        admin.policy_add(rights.user, policy=s3_policy(rights, buckets))
        admin.policy_set(rights.user, user=rights.user)

    @contextmanager
    def without(self, user: str, bucket: str, action: str, buckets: BucketSettings) -> Iterator[None]:
        """Take one action on a bucket from a user for a while; `buckets`: their names meanwhile."""
        rights = RIGHTS[user]
        left = tuple(
            BucketRight(right.bucket, tuple(it for it in right.actions if (right.bucket, it) != (bucket, action)))
            for right in rights.buckets
        )
        self.allow(Rights(user, buckets=left), buckets)
        try:
            yield
        finally:
            self.allow(rights, BucketSettings())


@contextmanager
def granted(folder: Path, session_timeout: float = 6.0) -> Iterator[Granted]:
    """Start the servers, without topics and buckets; `session_timeout` as that of the `KafkaServer`."""
    passwords = {user: secrets.token_hex(16) for user in RIGHTS}
    with ExitStack() as ending:
        kafka = KafkaServer(folder / "kafka", session_timeout=session_timeout, authorizing=True)
        requested = set[Requested]()
        minio = MinioServer(
            folder / "minio",
            kafka=kafka.bootstrap_servers,
            kafka_login=("minio", passwords["minio"]),
            audit=ending.enter_context(_listening(requested)),
        )
        mongo = MongoServer(folder / "mongo")
        for server in (kafka, minio, mongo):
            server.start()
            ending.callback(server.stop)
            if server is kafka:
                for user, rights in RIGHTS.items():
                    add_user(kafka, user, passwords[user], rights.kafka)
        roles = {user: ending.enter_context(limited(mongo.port, rights.mongo)) for user, rights in RIGHTS.items()}
        found = Granted(Stack(kafka, minio, mongo), passwords, roles, requested)
        for user, rights in RIGHTS.items():
            if rights.buckets:
                minio.admin().user_add(user, passwords[user])
                found.allow(rights, BucketSettings())
        yield found


@contextmanager
def _listening(requested: set[Requested]) -> Iterator[str]:
    """Give the address to which MinIO posts what was asked of it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()
            if said.get("accessKey") in RIGHTS:
                requested.add(_request(said))

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()


def _request(said: Mapping[str, Mapping[str, str | int]]) -> Requested:
    asked = said["api"]
    name = str(asked["name"])
    is_allowed = asked["statusCode"] != HTTPStatus.FORBIDDEN
    return Requested(str(said["accessKey"]), _ACTIONS.get(name, name), str(asked.get("bucket", "")), is_allowed)
