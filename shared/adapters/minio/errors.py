"""Errors of MinIO's client as errors of facestream."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from xml.etree.ElementTree import ParseError

import urllib3
from minio.error import MinioException, S3Error

from shared.errors import FacestreamError, Fatal, InvalidInput, Transient

NOT_THERE = {"NoSuchKey", "NoSuchVersion"}
FORBIDDEN = {"AccessDenied", "AllAccessDisabled"}
NO_SUCH_NAME = {
    "KeyTooLongError",
    "XMinioInvalidObjectName",
    "XMinioInvalidResourceName",
    "XMinioObjectExistsAsDirectory",
    "XMinioParentIsObject",
}
PASSING = {
    *("IncompleteBody", "InternalError", "OperationAborted", "RequestTimeout", "ServiceUnavailable"),
    *("SlowDown", "SlowDownRead", "SlowDownWrite", "XMinioServerNotInitialized", "XMinioStorageFull"),
    "XMinioAdminBucketQuotaExceeded",  # the bucket is full, until objects are removed or the quota is raised
}
_MISCONFIGURED = {
    "InvalidArgument": "check FACESTREAM_BUCKET_NOTIFICATION, and that the server knows that target",
    "AuthorizationHeaderMalformed": "check the region",
    "ExpiredToken": "the credentials are too old",
    "InvalidAccessKeyId": "check FACESTREAM_MINIO_ACCESS_KEY",
    "InvalidBucketName": "check the names of the buckets",
    "NoSuchBucket": "create the buckets with `facestream init`",
    "PermanentRedirect": "check the endpoint and the region",
    "RequestTimeTooSkewed": "set this machine's clock",
    "SignatureDoesNotMatch": "check FACESTREAM_MINIO_SECRET_KEY",
}


@contextmanager
def translated(
    where: str,
    no_such_name: type[FacestreamError] = Fatal,
    refused: type[FacestreamError] = Fatal,
    needed: str = "",
) -> Iterator[None]:
    """Translate the client's exceptions to errors of facestream.

    `where`: what a message begins with. `no_such_name`: the error to raise if no object can have the key, or none has
    it; `refused`: for any other refusal. `needed`: the right for the message if the store denies it.
    """
    try:
        yield
    except S3Error as error:
        code, text = error.code or "", f"{where}: {error.code}: {error.message}"
        if code in NOT_THERE | NO_SUCH_NAME:
            raise no_such_name(text) from error
        if code in _MISCONFIGURED:
            msg = f"{text}; {_MISCONFIGURED[code]}"
            raise Fatal(msg) from error
        if code in PASSING or error.response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Transient(text) from error
        raise refused(f"{text}; allow this user {needed}" if needed and code in FORBIDDEN else text) from error
    except (MinioException, ParseError) as error:  # not an answer of S3, but of a proxy, or an incomplete one
        msg = f"{where}: no answer of an object store: {type(error).__name__}: {str(error)[:200]}"
        raise Transient(msg) from error
    except urllib3.exceptions.HTTPError as error:
        if _distrusts(error):
            msg = f"{where}: the server's certificate is not trusted; check FACESTREAM_MINIO_CA_FILE ({error})"
            raise Fatal(msg) from error
        msg = f"{where}: {error}"
        raise Transient(msg) from error
    except ValueError as error:  # the client checks the name of the bucket before it sends a request
        msg = f"{where}: {error}"
        raise InvalidInput(msg) from error


def _distrusts(error: BaseException | None) -> bool:
    reason = getattr(error, "reason", error)
    return any(isinstance(part, ssl.SSLCertVerificationError) for part in (reason, *getattr(reason, "args", ())))
