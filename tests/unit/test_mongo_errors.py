"""What an error of pymongo means to facestream."""

from collections.abc import Callable
from typing import Any

import pytest
from bson.errors import InvalidDocument
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    DocumentTooLarge,
    ExecutionTimeout,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    ServerSelectionTimeoutError,
    WriteConcernError,
    WTimeoutError,
)

from shared.adapters.mongo.errors import errors
from shared.errors import FacestreamError, Fatal, Poison, Transient

_VECTOR = b"the vector of a face"


def _bulk(*codes: int, concerns: int = 0) -> BulkWriteError:
    parts = [{"index": 0, "code": code, "errmsg": f"failed {code}", "op": {"u": _VECTOR}} for code in codes]
    waits: list[dict[str, Any]] = [{"code": 64, "errmsg": "waiting for replication timed out"}] * concerns
    return BulkWriteError({"writeErrors": parts, "writeConcernErrors": waits})


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (AutoReconnect("connection closed"), Transient),
        (NetworkTimeout("timed out"), Transient),
        (ServerSelectionTimeoutError("no servers"), Transient),
        (NotPrimaryError("not primary"), Transient),
        (ExecutionTimeout("took too long", 50), Transient),
        (WTimeoutError("too few copies", 64), Transient),
        (WriteConcernError("too few copies", 100), Transient),
        (OperationFailure("shuts down", 11600), Transient),
        (OperationFailure("no disk", 14031), Transient),
        (OperationFailure("later", 1, {"errorLabels": ["RetryableWriteError"]}), Transient),
        (OperationFailure("who are you", 18), Fatal),
        (OperationFailure("not allowed", 13), Fatal),
        (OperationFailure("what is this", 59), Fatal),
        (ConfigurationError("no such option"), Fatal),
        (DocumentTooLarge("17 MB"), Poison),
        (InvalidDocument("cannot encode"), Poison),
        (_bulk(11000), Transient),
        (_bulk(concerns=1), Transient),
        (_bulk(11000, 121), Poison),
        (_bulk(10334), Poison),
        (_bulk(13, 121), Fatal),
    ],
    ids=lambda value: f"{type(value).__name__}-{getattr(value, 'code', '')}" if isinstance(value, Exception) else None,
)
def test_an_error_of_the_driver_has_one_meaning(error: Exception, meaning: type[FacestreamError]) -> None:
    with pytest.raises(meaning) as caught, errors():
        raise error
    assert type(caught.value) is meaning


@pytest.mark.parametrize(
    "make",
    [
        lambda: _bulk(121),
        lambda: _bulk(11000),
        lambda: OperationFailure("refused", 2, {"errmsg": "refused", "op": _VECTOR}),
        lambda: InvalidDocument(f"cannot encode {_VECTOR!r}", {"vector": _VECTOR}),
    ],
)
def test_no_part_of_a_document_is_quoted(make: Callable[[], Exception]) -> None:
    with pytest.raises(FacestreamError) as caught, errors():
        raise make()
    assert "vector" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_what_is_not_of_the_driver_passes_through() -> None:
    with pytest.raises(KeyError), errors():
        raise KeyError
