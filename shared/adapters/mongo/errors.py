"""Errors of pymongo as errors of facestream."""

from collections.abc import Iterator
from contextlib import contextmanager

from bson.errors import InvalidDocument
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DocumentTooLarge,
    OperationFailure,
    PyMongoError,
)

from shared.errors import FacestreamError, Fatal, Poison, Transient, first_line

_DUPLICATE_KEY = 11000  # of an upsert: another process inserted the same document at the same moment
_PASSING = {
    _DUPLICATE_KEY,
    *(6, 7, 89, 9001),  # the server lost another server
    *(50, 202, 262),  # took too long
    *(91, 189, 10058, 10107, 11600, 11602, 13388, 13435, 13436),  # shuts down, or hands the primary's part on
    *(63, 64, 79, 100, 133, 134, 150, 234),  # too few of its copies answered
    *(112, 251),  # met another transaction
    *(14031, 14037),  # out of disk
}
_DISTRUSTED = "CERTIFICATE_VERIFY_FAILED"  # OpenSSL's name; the driver has it only in its message
_NOT_ALLOWED = {11, 13, 18, 33, 8000}


@contextmanager
def errors() -> Iterator[None]:
    """Translate pymongo's exceptions to `Transient`, `Poison` and `Fatal`.

    The cause is left out on purpose: pymongo's errors quote the documents, and a face's vector must not be logged.
    """
    try:
        yield
    except (PyMongoError, InvalidDocument) as error:
        raise translated(error) from None


def translated(error: Exception) -> FacestreamError:
    """Return the error of facestream for an error of pymongo."""
    kind = type(error).__name__
    match error:
        case BulkWriteError():
            return _of_bulk(error)
        case OperationFailure():
            return _of_operation(error)
        case ConnectionFailure() if _DISTRUSTED in str(error):
            return Fatal(
                "MongoDB's certificate is not of an authority that is trusted: check FACESTREAM_MONGO_CA_FILE"
                f" ({_first_line(str(error))})"
            )
        case ConnectionFailure() | PyMongoError(timeout=True):
            return Transient(f"MongoDB does not answer: {kind}: {_first_line(str(error))}")
        case InvalidDocument() | DocumentTooLarge():
            return Poison(f"MongoDB cannot hold this record: {kind}")
    return Fatal(f"MongoDB's client cannot work as it is configured: {kind}")


def _of_operation(error: OperationFailure) -> FacestreamError:
    details = error.details or {}
    text = f"code {error.code}: {_first_line(str(details.get('errmsg', type(error).__name__)))}"
    if error.code in _NOT_ALLOWED:
        return Fatal(f"MongoDB refuses this user ({text}); expected read and write on the database: check the URI")
    if error.timeout or error.code in _PASSING or error.has_error_label("RetryableWriteError"):
        return Transient(f"MongoDB could not do it now ({text})")
    return Fatal(f"MongoDB refused ({text})")


def _of_bulk(error: BulkWriteError) -> FacestreamError:
    """Judge a bulk by its worst part: one document that can never be written makes it `Poison`."""
    details = error.details or {}
    lasting = [part for part in details.get("writeErrors", []) if part.get("code") not in _PASSING]
    parts = lasting or details.get("writeErrors", []) or details.get("writeConcernErrors", [])
    text = "; ".join(f"code {part.get('code')}: {_first_line(str(part.get('errmsg')))}" for part in parts[:3])
    if any(part.get("code") in _NOT_ALLOWED for part in lasting):
        return Fatal(f"MongoDB refuses this user ({text}); expected read and write on the database: check the URI")
    if lasting:
        return Poison(f"MongoDB cannot hold {len(lasting)} of the records ({text})")
    return Transient(f"MongoDB wrote a part only ({text})")


def _first_line(text: str) -> str:
    return first_line(text, len(text)).partition(", full error")[0].partition(", Topology")[0][:300]
