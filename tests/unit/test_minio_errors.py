"""What an error of the client of MinIO means to facestream."""

import ssl
from collections.abc import Callable
from xml.etree.ElementTree import ParseError

import pytest
import urllib3
from minio import Minio
from minio.error import InvalidResponseError, S3Error, ServerError
from pydantic import SecretStr
from urllib3.exceptions import (
    IncompleteRead,
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)

from shared.adapters.minio.errors import translated
from shared.adapters.minio.settings import MinioSettings
from shared.adapters.minio.store import MinioStore
from shared.errors import (
    FacestreamError,
    Fatal,
    InvalidInput,
    ObjectMissing,
    ObjectRefused,
    Transient,
)
from tests.support.limits import LIMIT

_POOL = urllib3.HTTPConnectionPool("host")


def _s3(code: str, status: int) -> S3Error:
    return S3Error(urllib3.HTTPResponse(status=status), code, "a message", "/photos/a.jpg", "id", "host")


def _no_connection(reason: Exception) -> MaxRetryError:
    return MaxRetryError(_POOL, "/photos/a.jpg", reason)


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (_s3("NoSuchKey", 404), ObjectMissing),
        (_s3("XMinioInvalidObjectName", 400), ObjectMissing),
        (_s3("AccessDenied", 403), ObjectRefused),
        (_s3("InvalidObjectState", 403), ObjectRefused),
        (_s3("NoSuchBucket", 404), Fatal),
        (_s3("InvalidAccessKeyId", 403), Fatal),
        (_s3("SignatureDoesNotMatch", 403), Fatal),
        (_s3("RequestTimeTooSkewed", 403), Fatal),
        (_s3("SlowDown", 503), Transient),
        (_s3("RequestTimeout", 400), Transient),
        (_s3("XMinioStorageFull", 507), Transient),
        (_s3("SomethingNew", 500), Transient),
        (ServerError("failed", 502), Transient),
        (InvalidResponseError(502, "text/html", "Bad Gateway"), Transient),
        (ParseError("cut off"), Transient),
        (ProtocolError("connection broken", IncompleteRead(3, 7)), Transient),
        (ReadTimeoutError(_POOL, "/", "timed out"), Transient),
        (_no_connection(NewConnectionError(urllib3.connection.HTTPConnection("host"), "refused")), Transient),
        (_no_connection(SSLError(ssl.SSLEOFError("cut off"))), Transient),
        (_no_connection(SSLError(ssl.SSLCertVerificationError("self-signed"))), Fatal),
        (ValueError("invalid bucket name"), InvalidInput),
    ],
    ids=lambda value: getattr(value, "code", type(value).__name__) if isinstance(value, Exception) else None,
)
def test_an_error_of_the_client_has_one_meaning_to_a_reader(error: Exception, meaning: type[FacestreamError]) -> None:
    with pytest.raises(meaning, match="photos/a") as caught, translated("photos/a", ObjectMissing, ObjectRefused):
        raise error
    assert type(caught.value) is meaning


def test_what_may_not_be_written_stops_the_process() -> None:
    error = _s3("AccessDenied", 403)
    with pytest.raises(Fatal, match="AccessDenied"), translated("photos/a", no_such_name=ObjectRefused):
        raise error


@pytest.mark.parametrize("code", ["NoSuchBucket", "InvalidAccessKeyId", "SignatureDoesNotMatch"])
def test_what_is_configured_wrongly_says_what_to_do(code: str) -> None:
    with pytest.raises(Fatal, match=r"facestream init|FACESTREAM_MINIO_(ACCESS|SECRET)_KEY"), translated("photos"):
        raise _s3(code, 403)


_CALLS: list[Callable[[MinioStore], object]] = [
    lambda store: store.get("photos", "a.jpg", LIMIT),
    lambda store: store.exists("photos", "a.jpg"),
]


def _refusing(monkeypatch: pytest.MonkeyPatch, code: str, of_bucket: Exception | None) -> MinioStore:
    """Return a store that refuses all objects, and that the bucket is looked at where `of_bucket` says so."""

    def refuse(*_: object) -> None:
        raise _s3(code, 403)

    def look(*_: object) -> bool:
        if of_bucket:
            raise of_bucket
        return True

    monkeypatch.setattr(Minio, "get_object", refuse)
    monkeypatch.setattr(Minio, "stat_object", refuse)
    monkeypatch.setattr(Minio, "bucket_exists", look)
    return MinioStore(MinioSettings(access_key=SecretStr("user"), secret_key=SecretStr("password")))


@pytest.mark.parametrize("call", _CALLS, ids=["get", "exists"])
def test_a_bucket_that_may_not_be_looked_at_says_nothing_of_an_object(
    monkeypatch: pytest.MonkeyPatch, call: Callable[[MinioStore], object]
) -> None:
    store = _refusing(monkeypatch, "AccessDenied", _s3("AccessDenied", 403))
    with pytest.raises(Transient, match=r"photos/a\.jpg: AccessDenied.*s3:ListBucket"):
        call(store)


@pytest.mark.parametrize("call", _CALLS, ids=["get", "exists"])
@pytest.mark.parametrize("code", ["AccessDenied", "InvalidObjectState"])
def test_one_object_that_may_not_be_read_is_refused_for_itself(
    monkeypatch: pytest.MonkeyPatch, call: Callable[[MinioStore], object], code: str
) -> None:
    with pytest.raises(ObjectRefused, match=code):
        call(_refusing(monkeypatch, code, None))


@pytest.mark.parametrize("code", ["InvalidObjectState", "XMinioObjectTampered"])
def test_what_is_refused_for_another_reason_than_rights_does_not_ask_for_the_bucket(
    monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    store = _refusing(monkeypatch, code, AssertionError("the bucket was asked for"))
    with pytest.raises(ObjectRefused, match=code):
        store.get("photos", "a.jpg", LIMIT)


def test_a_store_that_fails_while_the_bucket_is_looked_at_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Transient):
        _refusing(monkeypatch, "AccessDenied", _s3("SlowDown", 503)).get("photos", "a.jpg", LIMIT)
