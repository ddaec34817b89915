"""Objects in MinIO, or in any other store with the S3 protocol."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import BytesIO

from minio import Minio
from minio.deleteobjects import DeleteObject
from minio.error import MinioException, S3Error
from minio.notificationconfig import NotificationConfig, QueueConfig
from urllib3.exceptions import DecodeError
from urllib3.response import BaseHTTPResponse

from shared.adapters.minio.errors import FORBIDDEN, NO_SUCH_NAME, NOT_THERE, PASSING, translated
from shared.adapters.minio.settings import MinioSettings, pool_of
from shared.errors import (
    Fatal,
    InvalidInput,
    ObjectMissing,
    ObjectRefused,
    ObjectTooLarge,
    Transient,
)
from shared.ports.objects import ObjectInfo, StoredObject

_ONE_PART = 5 * 2**20  # bytes; the smallest part size that the client accepts
_LONGEST_KEY = 1024  # bytes, of S3
# The client does not escape these characters in its XML: the server refuses the whole request, or reads "\r" as "\n".
_NOT_IN_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# The answer to HEAD has no body, so a wrong access key looks the same as a missing right.
_LOOK = "s3:ListBucket, or check FACESTREAM_MINIO_ACCESS_KEY and FACESTREAM_MINIO_SECRET_KEY"
_NOTIFIED = {
    # Not ObjectCreated:*, which includes changes of tags and of retention.
    *("s3:ObjectCreated:Put", "s3:ObjectCreated:Post", "s3:ObjectCreated:Copy"),
    *("s3:ObjectCreated:CompleteMultipartUpload", "s3:ObjectRemoved:*"),
}


class MinioStore:
    """An `ObjectStore` in an S3 store; safe for threads.

    A request whose connection breaks is repeated once; further attempts are left to the caller, after `Transient`.
    Every call raises `Fatal` if the bucket is missing or the credentials are refused: then no request can succeed.
    Reading needs the right to list the bucket (`s3:ListBucket`): without it, the store answers the same for a missing
    object and a forbidden one.
    """

    def __init__(self, settings: MinioSettings) -> None:
        try:
            self._client = Minio(
                settings.endpoint,
                access_key=settings.access_key.get_secret_value(),
                secret_key=settings.secret_key.get_secret_value(),
                secure=settings.secure,
                region=settings.region,
                http_client=pool_of(settings),
            )
        except ValueError as error:
            msg = f"FACESTREAM_MINIO_ENDPOINT: expected host:port, found {settings.endpoint}: {error}"
            raise InvalidInput(msg) from error

    def make_bucket(self, bucket: str) -> bool:
        """Create a bucket if it does not exist; return whether it was created."""
        with translated(bucket, needed=_LOOK):
            missing = not self._client.bucket_exists(bucket)
        if missing:
            with translated(bucket, needed="s3:CreateBucket"):
                self._client.make_bucket(bucket)
        return missing

    def notify(self, bucket: str, target: str) -> bool:
        """Have the store send notifications of a bucket to a target (its ARN); return whether that was new.

        Setting a notification replaces the bucket's whole configuration, so the notifications of others are set again.
        """
        with translated(bucket, needed="s3:GetBucketNotification"):
            configured = self._client.get_bucket_notification(bucket)
        queues = configured.queue_config_list
        ours = [queue for queue in queues if queue.queue == target and not _is_filtered(queue)]
        if len(ours) == 1 and set(ours[0].events) == _NOTIFIED:
            return False
        kept = [queue for queue in queues if queue not in ours]
        wanted = NotificationConfig(
            configured.cloud_func_config_list,
            [*kept, QueueConfig(queue=target, events=sorted(_NOTIFIED))],
            configured.topic_config_list,
        )
        with translated(bucket, needed="s3:PutBucketNotification"):
            self._client.set_bucket_notification(bucket, wanted)
        return True

    def reach(self, bucket: str) -> None:
        """Check that a bucket exists and can be reached; raises `Transient` and `Fatal`."""
        with translated(bucket, needed=_LOOK):
            if not self._client.bucket_exists(bucket):
                msg = f"{bucket}: there is no such bucket; create it with `facestream init`"
                raise Fatal(msg)

    def get(self, bucket: str, key: str, limit: int) -> StoredObject:
        """Return an object; raises `ObjectMissing`, `ObjectRefused`, `ObjectTooLarge`, `Transient` and `Fatal`.

        Also raises `Transient` if the user may not list the bucket: then the rights are wrong, and not the object. The
        client decompresses the object according to its `Content-Encoding`. Any uploader can set that wrongly; then the
        bytes are returned as they are stored.
        """
        where = f"{bucket}/{key}"
        if not _possible(key):
            msg = f"{where}: no object can have this key"
            raise ObjectMissing(msg)
        with self._refusals(bucket, key):
            try:
                return self._got(bucket, key, limit, unpack=True)
            except DecodeError:
                return self._got(bucket, key, limit, unpack=False)

    def _got(self, bucket: str, key: str, limit: int, *, unpack: bool) -> StoredObject:
        response = self._client.get_object(bucket, key)
        try:
            if not unpack:
                response.headers.discard("content-encoding")
            size = response.length_remaining  # None if the answer has no length
            data = _body(response, size, limit)
            etag = response.headers.get("etag", "").strip('"')
            return StoredObject(data, etag, len(data) if size is None else size)
        finally:
            response.close()
            response.release_conn()

    def exists(self, bucket: str, key: str) -> bool:
        """Return whether an object with this key exists; raises `ObjectRefused`, `Transient` and `Fatal`.

        The first request is HEAD. A refusal of HEAD has no body: the 404 of a missing bucket, of a proxy and of a
        missing object look the same, and so do the 403 of a wrong access key and of a forbidden object. So if HEAD is
        refused, the second request is GET, whose refusal has the store's error code.
        """
        if not _possible(key):
            return False
        try:
            with self._refusals(bucket, key):
                if not self._heads(bucket, key):
                    response = self._client.get_object(bucket, key)
                    response.close()
                    response.release_conn()
        except ObjectMissing:
            return False
        return True

    @contextmanager
    def _refusals(self, bucket: str, key: str) -> Iterator[None]:
        """Translate errors of one object; if its whole bucket is refused, raise `Transient`."""
        where = f"{bucket}/{key}"
        try:
            with translated(where, no_such_name=ObjectMissing, refused=ObjectRefused, needed="s3:GetObject"):
                yield
        except ObjectRefused as error:
            if isinstance(error.__cause__, S3Error) and error.__cause__.code in FORBIDDEN and self._is_closed(bucket):
                msg = f"{error}; nor may it list the bucket: allow it s3:ListBucket too"
                raise Transient(msg) from error
            raise

    def _is_closed(self, bucket: str) -> bool:
        try:
            with translated(bucket, refused=ObjectRefused):
                self._client.bucket_exists(bucket)
        except ObjectRefused:
            return True
        return False

    def _heads(self, bucket: str, key: str) -> bool:
        try:
            self._client.stat_object(bucket, key)
        except (MinioException, ValueError):  # ValueError: a defect of minio-py 7.2.20 with a 409 without a body
            return False
        return True

    def put(self, bucket: str, key: str, data: bytes, content_type: str) -> None:
        """Store an object in one request, so that its etag is its MD5.

        Raises `ObjectRefused` if no object can have this key, `Transient`, and `Fatal` if the bucket may not be
        written.
        """
        where = f"{bucket}/{key}"
        if not _possible(key):
            msg = f"{where}: no object can have this key"
            raise ObjectRefused(msg)
        with translated(where, no_such_name=ObjectRefused, needed="s3:PutObject"):
            part_size = max(len(data), _ONE_PART)
            self._client.put_object(bucket, key, BytesIO(data), len(data), content_type, part_size=part_size)

    def remove(self, bucket: str, keys: Iterable[str]) -> None:
        """Remove objects, a thousand in one request; one by one if XML cannot contain their keys.

        Keys that no object has, or can have, are ignored.
        """
        by_themselves = []

        def together() -> Iterator[DeleteObject]:
            for key in keys:
                if _NOT_IN_XML.search(key):
                    by_themselves.append(key)
                elif _possible(key):
                    yield DeleteObject(key)

        with translated(bucket):
            for failure in self._client.remove_objects(bucket, together()):
                if failure.code not in NOT_THERE | NO_SUCH_NAME:
                    msg = f"{bucket}/{failure.name}: {failure.code}: {failure.message}"
                    if failure.code in FORBIDDEN:
                        msg += "; allow this user s3:DeleteObject"
                    raise Transient(msg) if failure.code in PASSING else Fatal(msg)
        for key in filter(_possible, by_themselves):
            with suppress(ObjectMissing), translated(f"{bucket}/{key}", no_such_name=ObjectMissing):
                self._client.remove_object(bucket, key)

    def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield every object; a thousand are in memory at a time. S3 lists in the order of UTF-8 bytes."""
        with translated(bucket, needed="s3:ListBucket"):
            for found in self._client.list_objects(bucket, prefix, recursive=True):
                modified = found.last_modified or datetime.fromtimestamp(0, UTC)
                yield ObjectInfo(found.object_name or "", found.size or 0, modified.astimezone(UTC), found.etag)


def _body(response: BaseHTTPResponse, size: int | None, limit: int) -> bytes:
    """Return the body of an answer; raises `ObjectTooLarge`, before reading if the size is known.

    The client decompresses a body with a `Content-Encoding`, whose decompressed size is not known before.
    """
    if size is not None and size > limit:
        raise ObjectTooLarge(size, limit)
    if size is not None and not response.headers.get("content-encoding"):
        return response.read()
    data = response.read(limit + 1)
    if len(data) > limit:
        raise ObjectTooLarge(None, limit)
    return data


def _is_filtered(queue: QueueConfig) -> bool:
    return bool(queue.prefix_filter_rule or queue.suffix_filter_rule)


def _possible(key: str) -> bool:
    """Return whether an object can have this key. The client refuses others with the same error as a wrong bucket."""
    try:
        length = len(key.encode())
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return 0 < length <= _LONGEST_KEY and not {".", ".."} & set(key.split("/"))
