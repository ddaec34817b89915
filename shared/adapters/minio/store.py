"""Objects in MinIO, or in any other store that speaks S3."""

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

__all__ = ["MinioSettings", "MinioStore"]

_ONE_PART = 5 * 2**20  # bytes; the least that the client takes as the size of a part
_LONGEST_KEY = 1024  # bytes, of S3
# The client writes these into its XML as they are: the server refuses the whole request, or reads "\r" as "\n".
_NOT_IN_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# The answer to HEAD has no words: that of a key that is wrong is the same.
_LOOK = "s3:ListBucket, or check FACESTREAM_MINIO_ACCESS_KEY and FACESTREAM_MINIO_SECRET_KEY"
_TOLD = {
    # Not ObjectCreated:*, which also covers changes of tags and of retention.
    *("s3:ObjectCreated:Put", "s3:ObjectCreated:Post", "s3:ObjectCreated:Copy"),
    *("s3:ObjectCreated:CompleteMultipartUpload", "s3:ObjectRemoved:*"),
}


class MinioStore:
    """An `ObjectStore` in an S3 store; safe for threads.

    A lost connection is tried once more here; everything beyond that is for whoever catches `Transient`. Every call
    raises `Fatal` where the bucket is missing or the credentials are refused: no object would be got either. To read
    takes the right to list the bucket (`s3:ListBucket`): without it, a missing object and a forbidden one are the same.
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
        """Make a bucket and say whether that was needed; one that is there is left as it is."""
        with translated(bucket, needed=_LOOK):
            missing = not self._client.bucket_exists(bucket)
        if missing:
            with translated(bucket, needed="s3:CreateBucket"):
                self._client.make_bucket(bucket)
        return missing

    def notify(self, bucket: str, target: str) -> bool:
        """Have what happens in a bucket told to a target (its ARN), and say whether that was new.

        Setting a notification replaces the bucket's whole configuration, so what others have set there is set again.
        """
        with translated(bucket, needed="s3:GetBucketNotification"):
            configured = self._client.get_bucket_notification(bucket)
        queues = configured.queue_config_list
        ours = [queue for queue in queues if queue.queue == target and not _is_filtered(queue)]
        if len(ours) == 1 and set(ours[0].events) == _TOLD:
            return False
        kept = [queue for queue in queues if queue not in ours]
        wanted = NotificationConfig(
            configured.cloud_func_config_list,
            [*kept, QueueConfig(queue=target, events=sorted(_TOLD))],
            configured.topic_config_list,
        )
        with translated(bucket, needed="s3:PutBucketNotification"):
            self._client.set_bucket_notification(bucket, wanted)
        return True

    def reach(self, bucket: str) -> None:
        """Look whether a bucket can be reached; raises `Transient`, and `Fatal` where there is none."""
        with translated(bucket, needed=_LOOK):
            if not self._client.bucket_exists(bucket):
                msg = f"{bucket}: there is no such bucket; create it with `facestream init`"
                raise Fatal(msg)

    def get(self, bucket: str, key: str, limit: int) -> StoredObject:
        """Return an object; raises `ObjectMissing`, `ObjectRefused`, `ObjectTooLarge`, `Transient`, `Fatal`.

        `Transient` also where the whole bucket is closed to us: rights that are gone say nothing of one object.
        The client unpacks what is packed by its `Content-Encoding`. Whoever stores an object writes that as he likes:
        where it is not true, the bytes are given as they lie in the store.
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
            size = response.length_remaining  # what the store tells of it, None where it does not
            data = _body(response, size, limit)
            etag = response.headers.get("etag", "").strip('"')
            return StoredObject(data, etag, len(data) if size is None else size)
        finally:
            response.close()
            response.release_conn()

    def exists(self, bucket: str, key: str) -> bool:
        """Return whether there is an object of this key; raises `ObjectRefused`, `Transient`, `Fatal`.

        Asked by HEAD. A refusal of that has no body: the 404 of a missing bucket, of a proxy and of a missing object
        are one, and so are the 403 of a wrong key and of a forbidden object. So what is refused is asked for by GET,
        whose refusal is in the store's own words.
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
        """Turn errors of one object into ours, and tell the refusal of an object from that of its whole bucket."""
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
        except (MinioException, ValueError):  # ValueError: minio-py 7.2.20 stumbles over a 409 without a body
            return False
        return True

    def put(self, bucket: str, key: str, data: bytes, content_type: str) -> None:
        """Store an object in one request, so that its etag is its MD5.

        Raises `ObjectRefused` where no object can have that key, `Transient`, and `Fatal` where the bucket may not be
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
        """Remove objects, a thousand in one request; those whose keys XML cannot hold by themselves.

        A key that no object can have is passed over, as one that no object has.
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
        """Yield every object; holds a thousand at a time. S3 lists in the order of UTF-8 bytes itself."""
        with translated(bucket, needed="s3:ListBucket"):
            for found in self._client.list_objects(bucket, prefix, recursive=True):
                modified = found.last_modified or datetime.fromtimestamp(0, UTC)
                yield ObjectInfo(found.object_name or "", found.size or 0, modified.astimezone(UTC), found.etag)


def _body(response: BaseHTTPResponse, size: int | None, limit: int) -> bytes:
    """Return the body of an answer; raises `ObjectTooLarge`, before anything is read of it where its size is known.

    The client unpacks a body that the store keeps packed (`Content-Encoding`): what comes out has a length that nobody
    tells.
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
    """Return whether an object can have this key: the client refuses others with the same error as a wrong bucket."""
    try:
        length = len(key.encode())
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return 0 < length <= _LONGEST_KEY and not {".", ".."} & set(key.split("/"))
