"""MinIO on one folder."""

import secrets
from dataclasses import dataclass, field

import urllib3
from minio import Minio, MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import MinioException, S3Error
from minio.notificationconfig import NotificationConfig, QueueConfig
from pydantic import SecretStr

from shared.adapters.minio.settings import MinioSettings
from tools.stack.certificates import Certificates
from tools.stack.install import minio_program
from tools.stack.server import Server

EVENTS = ["s3:ObjectCreated:Put", "s3:ObjectCreated:Post", "s3:ObjectCreated:Copy"]
EVENTS += ["s3:ObjectCreated:CompleteMultipartUpload", "s3:ObjectRemoved:*"]
_ARN = "arn:minio:sqs::PRIMARY:kafka"


@dataclass
class MinioServer(Server):
    """MinIO with new credentials.

    With `kafka`, bootstrap servers, it writes bucket notifications to `topic`, which must exist. `kafka_login`: its
    user and password for SCRAM-SHA-512 there. With `certificates`, it uses TLS. `audit`: the URL to which it posts an
    entry for each request.
    """

    access_key: str = field(default_factory=lambda: secrets.token_hex(8))
    secret_key: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    kafka: str | None = None
    topic: str = "images.uploaded"
    kafka_login: tuple[str, str] | None = field(default=None, repr=False)
    audit: str | None = None
    certificates: Certificates | None = None

    @property
    def endpoint(self) -> str:
        """The address for clients."""
        return f"127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        """Return the command line."""
        program = minio_program()
        folder = self.folder / "data"
        certificates = self.certificates.folder if self.certificates else self.folder / "no-certificates"
        return [str(program), "server", str(folder), "--address", self.endpoint, "--certs-dir", str(certificates)]

    def environment(self) -> dict[str, str]:
        """Return the settings of MinIO, which it reads from its environment."""
        always = {
            "MINIO_ROOT_USER": self.access_key,
            "MINIO_ROOT_PASSWORD": self.secret_key,
            "MINIO_BROWSER": "off",
            "MINIO_API_SYNC_EVENTS": "on",  # a request ends only when its notification is in Kafka
            "MINIO_UPDATE": "off",
        }
        if self.audit:
            always |= {"MINIO_AUDIT_WEBHOOK_ENABLE_PRIMARY": "on", "MINIO_AUDIT_WEBHOOK_ENDPOINT_PRIMARY": self.audit}
        if self.kafka is None:
            return always
        if self.kafka_login:
            user, password = self.kafka_login
            always |= {
                "MINIO_NOTIFY_KAFKA_SASL_PRIMARY": "on",
                "MINIO_NOTIFY_KAFKA_SASL_MECHANISM_PRIMARY": "sha512",
                "MINIO_NOTIFY_KAFKA_SASL_USERNAME_PRIMARY": user,
                "MINIO_NOTIFY_KAFKA_SASL_PASSWORD_PRIMARY": password,
            }
        # No queue folder: with one, MinIO sends notifications only every 3 s.
        return always | {
            "MINIO_NOTIFY_KAFKA_ENABLE_PRIMARY": "on",
            "MINIO_NOTIFY_KAFKA_BROKERS_PRIMARY": self.kafka,
            "MINIO_NOTIFY_KAFKA_TOPIC_PRIMARY": self.topic,
        }

    def healthy(self) -> bool:
        """Return whether MinIO answers requests and knows its users."""
        # MinIO's own readiness comes earlier than its first answers, and those earlier than the list of its users.
        try:
            self.client().bucket_exists("any")
            self._client_of("stranger").list_buckets()
        except S3Error as error:
            return error.code == "InvalidAccessKeyId"
        except (MinioException, urllib3.exceptions.HTTPError):
            return False
        return False

    def client(self) -> Minio:
        """Return a client with every right."""
        return self._client_of(self.access_key)

    def _client_of(self, access_key: str) -> Minio:
        return Minio(
            self.endpoint,
            access_key,
            self.secret_key,
            region="us-east-1",
            secure=self.certificates is not None,
            http_client=self._pool(),
        )

    def admin(self) -> MinioAdmin:
        """Return a client that creates users and policies."""
        return MinioAdmin(
            endpoint=self.endpoint,
            credentials=StaticProvider(self.access_key, self.secret_key),
            secure=self.certificates is not None,
            http_client=self._pool(),
        )

    def notify(self, bucket: str) -> None:
        """Send the notifications of a bucket to the topic; replaces all former rules of the bucket."""
        rule = QueueConfig(queue=_ARN, events=EVENTS)
        self.client().set_bucket_notification(bucket, NotificationConfig(queue_config_list=[rule]))

    def _pool(self) -> urllib3.PoolManager:
        ca_certs = str(self.certificates.ca_file) if self.certificates else None
        return urllib3.PoolManager(ca_certs=ca_certs, retries=False, timeout=10)


def settings_of(server: MinioServer) -> MinioSettings:
    """Return the settings of a client with every right."""
    return MinioSettings(
        endpoint=server.endpoint,
        access_key=SecretStr(server.access_key),
        secret_key=SecretStr(server.secret_key),
        secure=server.certificates is not None,
        ca_file=server.certificates.ca_file if server.certificates else None,
    )
