"""The values of the enumerations that leave a process, and the words that people read in their place."""

import json
import re
from enum import StrEnum
from typing import Any

import pytest

from services.assigner.classification import Kind
from services.reclusterer.step import ReclusterOutcome
from shared.adapters.mongo.documents import face_document, face_of
from shared.domain.event_words import in_words
from shared.domain.events import Cause, Change, FacesScreened, Outcome, Publication, Verdict
from shared.domain.records import GenerationState
from shared.metrics import Drop
from tests.support.random_records import face
from tools.golden_events import event_bytes

_ENUMERATIONS: list[type[StrEnum]] = [
    *(Cause, Change, Drop, GenerationState, Kind, Outcome, Publication, ReclusterOutcome, Verdict),
]
_FORMER = [("rejected: blurry", Verdict.BLURRY), ("rejected: crop missing", Verdict.CROP_MISSING)]


@pytest.mark.parametrize("value", [value for enumeration in _ENUMERATIONS for value in enumeration])
def test_a_value_that_programs_read_is_one_lower_case_identifier(value: StrEnum) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", value.value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Verdict.BLURRY, "blurry"),
        (Verdict.CROP_MISSING, "crop missing"),
        (Change.MERGED, "merged into"),
        (Change.SPLIT, "split from"),
        (Change.GROWN, "grown"),
        (Publication.ROLLED_BACK, "rolled back"),
        (Change("said_later"), "said_later"),
    ],
)
def test_people_read_words(value: Verdict | Change | Publication, words: str) -> None:
    assert in_words(value) == words


@pytest.mark.parametrize("value", [value for kind in (Verdict, Change, Publication) for value in kind])
def test_no_value_is_shown_to_people_with_an_underscore(value: Verdict | Change | Publication) -> None:
    assert "_" not in in_words(value)


@pytest.mark.parametrize(("former", "verdict"), _FORMER)
def test_a_document_with_a_former_verdict_is_read(former: str, verdict: Verdict) -> None:
    document = face_document(face("a", "1", verdict))
    assert document["quality"]["verdict"] == verdict.value
    document["quality"]["verdict"] = former
    assert face_of(document).verdict is verdict


@pytest.mark.parametrize(("former", "verdict"), _FORMER)
def test_a_record_with_a_former_verdict_is_read_and_written_with_the_present_one(former: str, verdict: Verdict) -> None:
    event = json.loads(event_bytes("FacesScreened.one-blurry"))
    event["faces"][-1]["verdict"] = former
    read = FacesScreened.model_validate_json(json.dumps(event))
    assert read.faces[-1].verdict is verdict
    assert json.loads(read.model_dump_json())["faces"][-1]["verdict"] == verdict.value


@pytest.mark.parametrize("unknown", ["rejected: grainy", "", 7])
def test_a_verdict_that_no_version_wrote_is_refused(unknown: Any) -> None:
    with pytest.raises(ValueError, match="is not a valid Verdict"):
        Verdict(unknown)
