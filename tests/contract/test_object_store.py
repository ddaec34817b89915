"""What every `ObjectStore` does, whatever holds the objects."""

import hashlib
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ObjectMissing, ObjectRefused, ObjectTooLarge
from shared.ports.objects import ObjectStore
from tests.support.limits import LIMIT
from tests.support.random_records import KEY_SETS, KEYS, PARTS

BUCKET = "photos"
_TYPE = "application/octet-stream"


@pytest.fixture
def at() -> str:
    return f"{uuid4()}/"


@given(key=KEYS, data=st.binary(max_size=200))
def test_what_was_put_is_got_byte_for_byte_with_its_md5_as_etag(objects: ObjectStore, key: str, data: bytes) -> None:
    key = f"{uuid4()}/{key}"
    objects.put(BUCKET, key, data, _TYPE)
    stored = objects.get(BUCKET, key, LIMIT)
    assert stored.data == data
    assert stored.etag == hashlib.md5(data, usedforsecurity=False).hexdigest()


def test_an_object_of_some_megabytes_is_got_whole(objects: ObjectStore, at: str) -> None:
    data = bytes(range(256)) * 20_000
    objects.put(BUCKET, f"{at}large", data, _TYPE)
    assert objects.get(BUCKET, f"{at}large", LIMIT).data == data


@given(data=st.binary(max_size=200), limit=st.integers(0, 220))
def test_an_object_is_got_up_to_the_limit_and_above_it_its_size_is_told(
    objects: ObjectStore, data: bytes, limit: int
) -> None:
    key = f"{uuid4()}/a"
    objects.put(BUCKET, key, data, _TYPE)
    if len(data) <= limit:
        stored = objects.get(BUCKET, key, limit)
        assert (stored.data, stored.size) == (data, len(data))
        return
    with pytest.raises(ObjectTooLarge) as caught:
        objects.get(BUCKET, key, limit)
    assert (caught.value.size, str(caught.value)) == (len(data), f"{len(data)} bytes, at most {limit} allowed")


def test_after_an_object_that_was_too_large_others_are_got(objects: ObjectStore, at: str) -> None:
    objects.put(BUCKET, f"{at}large", bytes(2_000_000), _TYPE)
    objects.put(BUCKET, f"{at}small", b"1", _TYPE)
    for _ in range(20):
        with pytest.raises(ObjectTooLarge, match=r"^2,000,000 bytes, at most 1,000 allowed$"):
            objects.get(BUCKET, f"{at}large", 1000)
        assert objects.get(BUCKET, f"{at}small", 1000).data == b"1"


def test_putting_an_object_again_replaces_it(objects: ObjectStore, at: str) -> None:
    objects.put(BUCKET, f"{at}a", b"long before", _TYPE)
    objects.put(BUCKET, f"{at}a", b"now", _TYPE)
    assert objects.get(BUCKET, f"{at}a", LIMIT).data == b"now"
    assert [(info.key, info.size) for info in objects.list(BUCKET, at)] == [(f"{at}a", 3)]


@pytest.mark.parametrize("absent", ["b", "fold", "folder", "folder/a.jp", "folder/a.jpg/more", "folder/a.jpg2"])
def test_getting_what_is_not_there_raises_object_missing(objects: ObjectStore, at: str, absent: str) -> None:
    objects.put(BUCKET, f"{at}folder/a.jpg", b"1", _TYPE)
    with pytest.raises(ObjectMissing, match=absent):
        objects.get(BUCKET, f"{at}{absent}", LIMIT)


@given(keys=KEY_SETS, other=KEYS)
def test_what_a_listing_shows_exists_and_nothing_else_does(objects: ObjectStore, keys: list[str], other: str) -> None:
    at = f"{uuid4()}/"
    for key in keys:
        objects.put(BUCKET, at + key, b"1", _TYPE)
    listed = {info.key for info in objects.list(BUCKET, at)}
    asked = {f"{at}{key}" for key in (*keys, other)}
    assert {key for key in asked if objects.exists(BUCKET, key)} == listed


@pytest.mark.parametrize(
    "absent",
    ["b", "fold", "folder", "folder/", "folder/a.jp", "folder/a.jpg/more", "folder/a.jpg2", "x" * 1100, "a/../b"],
)
def test_neither_a_folder_nor_an_impossible_key_nor_part_of_a_key_exists(
    objects: ObjectStore, at: str, absent: str
) -> None:
    objects.put(BUCKET, f"{at}folder/a.jpg", b"", _TYPE)
    assert objects.exists(BUCKET, f"{at}folder/a.jpg")
    assert not objects.exists(BUCKET, f"{at}{absent}")
    assert not objects.exists(BUCKET, "")


def test_a_removed_object_does_not_exist(objects: ObjectStore, at: str) -> None:
    objects.put(BUCKET, f"{at}a", b"1", _TYPE)
    objects.remove(BUCKET, [f"{at}a"])
    assert not objects.exists(BUCKET, f"{at}a")


@given(keys=KEY_SETS)
def test_a_listing_has_every_key_once_in_the_order_of_utf8_bytes(objects: ObjectStore, keys: list[str]) -> None:
    at = f"{uuid4()}/"
    for key in keys:
        objects.put(BUCKET, at + key, b"1", _TYPE)
    listed = [info.key.removeprefix(at) for info in objects.list(BUCKET, at)]
    assert listed == sorted(keys, key=str.encode)


def test_a_file_is_listed_before_a_folder_of_the_same_stem(objects: ObjectStore, at: str) -> None:
    keys = ["a!", "a-b", "a.jpg", "a/b.jpg", "a/b/c", "a0", "é", "\uffee", "\U0001f600"]
    for key in reversed(keys):
        objects.put(BUCKET, at + key, b"1", _TYPE)
    assert [info.key.removeprefix(at) for info in objects.list(BUCKET, at)] == keys


@given(keys=KEY_SETS, prefix=PARTS, data=st.data())
def test_a_listing_with_a_prefix_is_the_part_of_the_whole_that_begins_so(
    objects: ObjectStore, keys: list[str], prefix: str, data: st.DataObject
) -> None:
    at = f"{uuid4()}/"
    for key in keys:
        objects.put(BUCKET, at + key, b"1", _TYPE)
    if keys:
        key = data.draw(st.sampled_from(keys))
        prefix = key[: data.draw(st.integers(0, len(key)))]
    expected = [info for info in objects.list(BUCKET, at) if info.key.startswith(at + prefix)]
    assert list(objects.list(BUCKET, at + prefix)) == expected
    assert {info.key for info in expected} == {at + key for key in keys if key.startswith(prefix)}


def test_a_listing_tells_size_and_time_and_no_wrong_etag(objects: ObjectStore, at: str) -> None:
    objects.put(BUCKET, f"{at}a", b"four", _TYPE)
    (info,) = objects.list(BUCKET, at)
    assert info.size == 4
    assert info.modified.tzinfo is UTC
    assert abs(datetime.now(UTC) - info.modified) < timedelta(minutes=1)
    assert info.etag in (None, objects.get(BUCKET, f"{at}a", LIMIT).etag)


def test_an_object_that_nobody_touches_is_listed_the_same_every_time(objects: ObjectStore, at: str) -> None:
    objects.put(BUCKET, f"{at}a", b"four", _TYPE)
    assert list(objects.list(BUCKET, at)) == list(objects.list(BUCKET, at))


def test_a_listing_of_nothing_is_empty(objects: ObjectStore, at: str) -> None:
    assert list(objects.list(BUCKET, at)) == []


def test_removed_objects_are_gone_and_the_others_stay(objects: ObjectStore, at: str) -> None:
    for key in "abc":
        objects.put(BUCKET, at + key, b"1", _TYPE)
    objects.remove(BUCKET, (at + key for key in "ac"))
    assert [info.key for info in objects.list(BUCKET, at)] == [f"{at}b"]
    with pytest.raises(ObjectMissing):
        objects.get(BUCKET, f"{at}a", LIMIT)


def test_removing_what_is_not_there_is_no_error(objects: ObjectStore, at: str) -> None:
    objects.put(BUCKET, f"{at}folder/a", b"1", _TYPE)
    objects.remove(BUCKET, [f"{at}never", f"{at}folder", f"{at}folder/a/b", f"{at}folder/a", f"{at}folder/a"])
    assert list(objects.list(BUCKET, at)) == []


@pytest.mark.parametrize(
    "odd",
    [
        "a\x01b",
        "a\rb",
        "a\tb",
        "a\x7fb",
        "a\ufffeb",
        "a&b<c>",
        "a//b",
        "/",
        "..",
        "x" * 256,
        "x/" * 600,
        "",
        "a\x00b",
        "\ud800",
    ],
)
def test_a_key_of_any_kind_is_removed_or_passed_over_and_never_another_one(
    objects: ObjectStore, at: str, odd: str
) -> None:
    others = [f"{at}{name}" for name in ("0", "9", "a\nb", "ab", "a b")]
    for key in others:
        objects.put(BUCKET, key, b"1", _TYPE)
    with suppress(ObjectRefused, UnicodeEncodeError):
        objects.put(BUCKET, at + odd, b"1", _TYPE)
    objects.remove(BUCKET, [others[0], at + odd, others[1]])
    assert [key for key in others if objects.exists(BUCKET, key)] == others[2:]
    assert not objects.exists(BUCKET, at + odd)


def test_objects_can_be_removed_while_they_are_listed(objects: ObjectStore, at: str) -> None:
    keys = [f"{at}{number:03}" for number in range(50)]
    for key in keys:
        objects.put(BUCKET, key, b"1", _TYPE)
    seen = []
    for info in objects.list(BUCKET, at):
        seen.append(info.key)
        objects.remove(BUCKET, [info.key])
    assert seen == keys
    assert list(objects.list(BUCKET, at)) == []


def test_a_reader_finds_one_of_two_versions_whole_while_they_are_written(objects: ObjectStore, at: str) -> None:
    versions = [bytes([number]) * 300_000 for number in range(2)]
    objects.put(BUCKET, f"{at}a", versions[0], _TYPE)
    done = threading.Event()

    def write(version: bytes) -> None:
        while not done.is_set():
            objects.put(BUCKET, f"{at}a", version, _TYPE)

    writers = [threading.Thread(target=write, args=(version,)) for version in versions]
    for writer in writers:
        writer.start()
    try:
        found = [objects.get(BUCKET, f"{at}a", LIMIT).data for _ in range(50)]
    finally:
        done.set()
        for writer in writers:
            writer.join()
    assert all(data in versions for data in found)
