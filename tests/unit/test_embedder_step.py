"""The embedder's step: what becomes of photographs, faces and crops, with a network that is none."""

from collections.abc import Sequence
from datetime import UTC, datetime

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from services.embedder.embedding import Embedder
from services.embedder.step import crop as cropped
from services.embedder.step import embed as embed_cropped
from shared.adapters.memory.objects import MemoryObjectStore
from shared.domain.events import Box, FacesEmbedded, FacesScreened, Outcome, Photo, Point, ScreenedFace, Verdict, facts
from shared.errors import ObjectRefused, Transient
from shared.ports.objects import ObjectStore, StoredObject
from shared.settings import BucketSettings

BUCKETS = BucketSettings()
SIZE = 8


def mean_of_thirds(batch: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.stack([np.append(picture.mean(axis=(1, 2)), 1) for picture in batch]).astype(np.float32)


EMBEDDER = Embedder(
    mean_of_thirds, "model 1", dimensions=SIZE + 1, input_size=SIZE, batch_size=4, device="CPU", precision="float32"
)


def embed(photos: Sequence[FacesScreened], objects: ObjectStore) -> list[FacesEmbedded]:
    return embed_cropped([cropped(photo, objects, SIZE, BUCKETS) for photo in photos], EMBEDDER)


def a_photo(
    name: str, *faces: ScreenedFace, outcome: Outcome = Outcome.DETECTED, reason: str | None = None
) -> FacesScreened:
    photo = Photo(
        bucket="photos",
        key=name,
        object_id=f"object {name}",
        image_id=f"image {name}",
        etag="etag",
        size=1,
        uploaded_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return FacesScreened(photo=photo, outcome=outcome, reason=reason, faces=faces)


def a_face(name: str, verdict: Verdict = Verdict.ACCEPTED) -> ScreenedFace:
    point = Point(x=1, y=1)
    return ScreenedFace(
        face_id=name,
        box=Box(left=0, top=0, width=9, height=9),
        score=1.0,
        landmarks=(point, point, point, point, point),
        crop_key=f"crops/{name}.png",
        sharpness=30.0,
        verdict=verdict,
    )


def a_crop(seed: int, size: int = SIZE) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def a_store(**crops: NDArray[np.uint8] | bytes) -> MemoryObjectStore:
    store = MemoryObjectStore()
    for name, crop in crops.items():
        data = crop if isinstance(crop, bytes) else cv2.imencode(".png", crop)[1].tobytes()
        store.put(BUCKETS.faces, f"crops/{name}.png", data, "image/png")
    return store


def header_of_a_huge_png() -> bytes:
    png = bytearray(cv2.imencode(".png", a_crop(0))[1].tobytes())
    png[16:24] = (2**31 - 1).to_bytes(4) * 2
    return bytes(png)


def test_an_accepted_face_gets_its_vector_and_the_model_that_made_it() -> None:
    (embedded,) = embed([a_photo("1.jpg", a_face("a"))], a_store(a=a_crop(1)))
    (face,) = embedded.faces
    assert face.vector is not None
    np.testing.assert_array_equal(face.vector, EMBEDDER.embed(a_crop(1)[None])[0])
    assert face.model_id == "model 1"
    assert face.verdict is Verdict.ACCEPTED


def test_photos_and_faces_keep_their_order_and_get_their_own_vectors() -> None:
    photos = [a_photo("1.jpg", a_face("a"), a_face("b")), a_photo("2.jpg"), a_photo("3.jpg", a_face("c"))]
    store = a_store(a=a_crop(1), b=a_crop(2), c=a_crop(3))
    embedded = embed(photos, store)
    assert [photo.photo.key for photo in embedded] == ["1.jpg", "2.jpg", "3.jpg"]
    faces = [face for photo in embedded for face in photo.faces]
    assert [face.face_id for face in faces] == ["a", "b", "c"]
    for seed, face in enumerate(faces, start=1):
        assert face.vector is not None
        np.testing.assert_array_equal(face.vector, EMBEDDER.embed(a_crop(seed)[None])[0])


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.ACCEPTED])
def test_a_rejected_face_flows_through_without_a_vector(verdict: Verdict) -> None:
    screened = a_face("a", verdict)
    (embedded,) = embed([a_photo("1.jpg", screened)], a_store(a=a_crop(1)))
    (face,) = embedded.faces
    assert face.vector is None
    assert face.model_id is None
    assert facts(screened).items() <= facts(face).items()


@pytest.mark.parametrize(("outcome", "reason"), [(Outcome.UNREADABLE, "not an image"), (Outcome.REMOVED, None)])
def test_a_photo_without_faces_flows_through(outcome: Outcome, reason: str | None) -> None:
    photo = a_photo("1.jpg", outcome=outcome, reason=reason)
    (embedded,) = embed([photo], a_store())
    assert (embedded.photo, embedded.outcome, embedded.reason, embedded.faces) == (photo.photo, outcome, reason, ())


def test_a_batch_of_no_photos_gives_none() -> None:
    assert embed([], a_store()) == []


@pytest.mark.parametrize("broken", [b"", b"not a picture", header_of_a_huge_png()], ids=["empty", "text", "huge"])
def test_a_face_whose_crop_is_no_picture_is_rejected_and_its_neighbours_are_not(broken: bytes) -> None:
    photos = [a_photo("1.jpg", a_face("a"), a_face("b"), a_face("c"))]
    (embedded,) = embed(photos, a_store(a=a_crop(1), b=broken, c=a_crop(3)))
    assert [face.verdict for face in embedded.faces] == [Verdict.ACCEPTED, Verdict.CROP_MISSING, Verdict.ACCEPTED]
    assert [face.vector is None for face in embedded.faces] == [False, True, False]
    assert [face.model_id for face in embedded.faces] == ["model 1", None, "model 1"]


def test_a_face_whose_crop_is_gone_is_rejected_and_its_photo_flows_on() -> None:
    (embedded,) = embed([a_photo("1.jpg", a_face("a"))], a_store())
    assert [face.verdict for face in embedded.faces] == [Verdict.CROP_MISSING]


def test_a_face_whose_crop_may_not_be_read_is_rejected() -> None:
    class Locked(MemoryObjectStore):
        def get(self, bucket: str, key: str, limit: int) -> StoredObject:  # noqa: ARG002  of the port
            raise ObjectRefused(bucket, key)

    (embedded,) = embed([a_photo("1.jpg", a_face("a"))], Locked())
    assert [face.verdict for face in embedded.faces] == [Verdict.CROP_MISSING]


def test_a_store_that_does_not_answer_stops_the_batch() -> None:
    class Silent(MemoryObjectStore):
        def get(self, bucket: str, key: str, limit: int) -> StoredObject:  # noqa: ARG002  of the port
            raise Transient(bucket, key)

    with pytest.raises(Transient):
        embed([a_photo("1.jpg", a_face("a"))], Silent())


def test_crops_of_different_sizes_go_into_one_batch() -> None:
    photos = [a_photo("1.jpg", a_face("a"), a_face("b"))]
    (embedded,) = embed(photos, a_store(a=a_crop(1), b=a_crop(2, 2 * SIZE)))
    assert [face.vector is not None for face in embedded.faces] == [True, True]


def test_a_photo_that_comes_twice_in_a_batch_gets_the_same_twice() -> None:
    photos = [a_photo("1.jpg", a_face("a"))] * 2
    first, second = embed(photos, a_store(a=a_crop(1)))
    assert first.model_dump_json() == second.model_dump_json()
