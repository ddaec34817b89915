"""Identifiers: stored everywhere for ever, so their values are fixed here."""

import string

from hypothesis import assume, given
from hypothesis import strategies as st

from shared.domain import ids
from shared.domain.events import Box

_ETAG = "900150983cd24fb0d6963f7d28e17f72"
# Few characters, among them those of the lengths that keep the parts of a name apart: splits that could be confused.
_TEXTS = st.text("12:ab/", max_size=6)
_BOXES = st.builds(
    Box, left=st.integers(-50, 50), top=st.integers(-50, 50), width=st.integers(1, 50), height=st.integers(1, 50)
)


def test_identifiers_have_the_values_that_stored_data_has() -> None:
    object_id = ids.object_id("photos", "2026/café.jpg")
    image_id = ids.image_id(object_id, None, _ETAG)
    face_id = ids.face_id(image_id, "hog-68/1", Box(left=-3, top=40, width=120, height=121))
    assert object_id == "4817ac8d905724077ff65df27eab7994"
    assert image_id == "20968143a08c0eff75d1ab2d4cabfd32"
    assert ids.image_id(object_id, "3HL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY", _ETAG) == "22d38e1ad1ee2c4b079f1797749011ac"
    assert face_id == "3284285b01357adbdfc1207145fe0d5b"
    assert ids.cluster_id(7, face_id) == "2d9e93a9fa4d224cdb1f175d0ded2874"
    assert ids.crop_key(face_id) == "crops/3284285b01357adbdfc1207145fe0d5b.png"


@given(one=st.tuples(_TEXTS, _TEXTS), other=st.tuples(_TEXTS, _TEXTS))
def test_two_objects_never_share_an_id(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (ids.object_id(*one) == ids.object_id(*other)) == (one == other)


@given(text=st.text("ab/", min_size=2, max_size=8), data=st.data())
def test_moving_the_border_between_bucket_and_key_gives_another_id(text: str, data: st.DataObject) -> None:
    first, second = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, len(text)))
    assume(first != second)
    assert ids.object_id(text[:first], text[first:]) != ids.object_id(text[:second], text[second:])


@given(one=st.tuples(_TEXTS, _TEXTS, _BOXES), other=st.tuples(_TEXTS, _TEXTS, _BOXES))
def test_two_faces_never_share_an_id(one: tuple[str, str, Box], other: tuple[str, str, Box]) -> None:
    assert (ids.face_id(*one) == ids.face_id(*other)) == (one == other)


@given(one=st.tuples(st.integers(0, 200), _TEXTS), other=st.tuples(st.integers(0, 200), _TEXTS))
def test_two_clusters_never_share_an_id(one: tuple[int, str], other: tuple[int, str]) -> None:
    assert (ids.cluster_id(*one) == ids.cluster_id(*other)) == (one == other)


@given(parts=st.tuples(_TEXTS, _TEXTS))
def test_things_of_different_kinds_never_share_an_id(parts: tuple[str, str]) -> None:
    assert ids.object_id(*parts) != ids.image_id(parts[0], None, parts[1])


@given(of_object=_TEXTS, etag=_TEXTS, version=_TEXTS.filter(bool))
def test_an_image_is_named_by_its_version_where_it_has_one_and_by_its_etag_otherwise(
    of_object: str, etag: str, version: str
) -> None:
    assert ids.image_id(of_object, version, etag) == ids.image_id(of_object, version, "another etag")
    assert ids.image_id(of_object, None, etag) != ids.image_id(of_object, None, f"{etag}2")


@given(bucket=st.text(), key=st.text())
def test_an_id_is_32_hexadecimal_digits_whatever_it_names(bucket: str, key: str) -> None:
    found = ids.object_id(bucket, key)
    assert len(found) == 32
    assert set(found) <= set(string.hexdigits.lower())
