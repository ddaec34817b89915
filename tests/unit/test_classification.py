"""A photograph that could not be read, and of which another event comes: what the assigner makes of it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.assigner.classification import Kind, classify
from services.assigner.step import assign
from shared.domain.events import FacesEmbedded, Outcome, Photo
from shared.domain.matching import AssignerSettings
from shared.domain.person_index import People
from shared.domain.records import ImageRecord

_PHOTO = Photo(
    bucket="photos",
    key="a.jpg",
    object_id="o",
    image_id="i",
    etag="e",
    size=1,
    sequencer="10",
    uploaded_at=datetime(2026, 11, 30, tzinfo=UTC),
)
_DENIED = FacesEmbedded(photo=_PHOTO, outcome=Outcome.UNREADABLE, reason="AccessDenied", passing=True)
_LATER = replace(_PHOTO, sequencer="11")


def recorded(event: FacesEmbedded) -> ImageRecord:
    (found,) = assign([event], 0, People([]), AssignerSettings(), ["images.uploaded/0@1"])
    return found.image


@pytest.mark.parametrize(
    "event",
    [
        FacesEmbedded(photo=_LATER, outcome=Outcome.DETECTED),
        FacesEmbedded(photo=_LATER, outcome=Outcome.UNREADABLE, reason="truncated JPEG"),
    ],
)
def test_another_outcome_of_a_photograph_that_could_not_be_read_is_news(event: FacesEmbedded) -> None:
    assert classify(event, [recorded(_DENIED)], "images.uploaded/0@2").kind is Kind.NEW


def test_the_same_outcome_again_is_a_duplicate() -> None:
    again = _DENIED.model_copy(update={"photo": _LATER})
    found = classify(again, [recorded(_DENIED)], "images.uploaded/0@2")
    assert found.kind is Kind.DUPLICATE
    assert [image.sequencer for image in found.renewed] == ["11"]


def test_what_could_be_read_stays_whatever_is_said_later_of_the_same_bytes() -> None:
    detected = FacesEmbedded(photo=_PHOTO, outcome=Outcome.DETECTED)
    denied = _DENIED.model_copy(update={"photo": _LATER})
    assert classify(denied, [recorded(detected)], "images.uploaded/0@2").kind is Kind.DUPLICATE


def test_the_record_says_that_the_reason_may_pass() -> None:
    assert recorded(_DENIED).passing
    assert not recorded(FacesEmbedded(photo=_PHOTO, outcome=Outcome.DETECTED)).passing
