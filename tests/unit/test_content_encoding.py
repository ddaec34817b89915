"""Objects whose `Content-Encoding` says how they are packed: whoever stores one writes there what he likes."""

import gzip

import pytest

from shared.errors import ObjectTooLarge
from tests.support.s3_stub import s3_stub

_PHOTO = b"\xff\xd8\xff\xe0 a photograph" * 10
_PLACE = "photos/a.jpg"


def test_what_is_packed_as_it_says_is_unpacked() -> None:
    store, server = s3_stub()
    server.objects[_PLACE], server.headers[_PLACE] = gzip.compress(_PHOTO), {"content-encoding": "gzip"}
    assert store.get("photos", "a.jpg", 1000).data == _PHOTO


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "gzip, gzip", ", ".join(["gzip"] * 50), "br", "nonsense"])
def test_what_is_not_packed_as_it_says_is_got_as_it_lies_there(encoding: str) -> None:
    store, server = s3_stub()
    server.objects[_PLACE], server.headers[_PLACE] = _PHOTO, {"content-encoding": encoding}
    stored = store.get("photos", "a.jpg", len(_PHOTO))
    assert (stored.data, stored.size, stored.etag) == (_PHOTO, len(_PHOTO), "e")


def test_what_is_not_packed_as_it_says_has_the_same_limit() -> None:
    store, server = s3_stub()
    server.objects[_PLACE], server.headers[_PLACE] = _PHOTO, {"content-encoding": "gzip"}
    with pytest.raises(ObjectTooLarge):
        store.get("photos", "a.jpg", len(_PHOTO) - 1)


def test_what_is_packed_is_unpacked_up_to_the_limit() -> None:
    store, server = s3_stub()
    server.objects[_PLACE], server.headers[_PLACE] = gzip.compress(bytes(1000)), {"content-encoding": "gzip"}
    assert store.get("photos", "a.jpg", 1000).data == bytes(1000)
    with pytest.raises(ObjectTooLarge, match="more than 999 bytes"):
        store.get("photos", "a.jpg", 999)
