"""Servers whose users have the rights of the table `RIGHTS` and no others; they record which rights are used."""

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
from tools.stack.kafka_users import add_user
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
"""The S3 action that a request needs, by the name of the request in MinIO's audit log."""


@dataclass(frozen=True, slots=True)
class Requested:
    """A request that MinIO has answered."""

    user: str
    action: str
    bucket: str
    allowed: bool


@dataclass
class RestrictedStack:
    """The servers, with a user for each row of the table.

    `passwords` and `roles` (of MongoDB) are by user; `requested`: the requests that MinIO has answered so far.
    """

    stack: Stack
    passwords: Mapping[str, str]
    roles: Mapping[str, Role]
    requested: set[Requested] = field(default_factory=set)

    def environment(self, user: str) -> dict[str, str]:
        """Return the environment of a program that logs in to every server as this user."""
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
        """Set the environment of this process to that of a user."""
        with pytest.MonkeyPatch.context() as environment:
            for name, value in self.environment(user).items():
                environment.setenv(name, value)
            yield

    def allow(self, rights: Rights, buckets: BucketSettings) -> None:
        """Replace the policy of a user in MinIO by these rights."""
        admin = self.stack.minio.admin()
        admin.policy_add(rights.user, policy=s3_policy(rights, buckets))
        admin.policy_set(rights.user, user=rights.user)

    @contextmanager
    def without(self, user: str, bucket: str, action: str, buckets: BucketSettings) -> Iterator[None]:
        """Withdraw one action on a bucket from a user within the block.

        `buckets`: the names of the buckets to which the other rights apply within the block.
        """
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
def restricted_stack(folder: Path, session_timeout: float = 6.0) -> Iterator[RestrictedStack]:
    """Start the servers, without topics and buckets.

    `session_timeout`: seconds, as of `KafkaServer`.
    """
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
        found = RestrictedStack(Stack(kafka, minio, mongo), passwords, roles, requested)
        for user, rights in RIGHTS.items():
            if rights.buckets:
                minio.admin().user_add(user, passwords[user])
                found.allow(rights, BucketSettings())
        yield found


@contextmanager
def _listening(requested: set[Requested]) -> Iterator[str]:
    """Listen for MinIO's audit log, and yield the address to which MinIO posts it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            entry = json.loads(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()
            if entry.get("accessKey") in RIGHTS:
                requested.add(_request(entry))

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()


def _request(entry: Mapping[str, Mapping[str, str | int]]) -> Requested:
    call = entry["api"]
    name = str(call["name"])
    is_allowed = call["statusCode"] != HTTPStatus.FORBIDDEN
    return Requested(str(entry["accessKey"]), _ACTIONS.get(name, name), str(call.get("bucket", "")), is_allowed)
