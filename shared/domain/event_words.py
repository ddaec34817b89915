"""The values of the events' enumerations in words for people: for the report and the commands."""

from shared.domain.events import Change, Publication, Verdict

_WORDS = {
    Verdict.CROP_MISSING: "crop missing",
    Change.MERGED: "merged into",
    Change.SPLIT: "split from",
    Publication.ROLLED_BACK: "rolled back",
}


def in_words(value: Verdict | Change | Publication) -> str:
    """Return a value in words; a value that a later version has added is returned unchanged."""
    return _WORDS.get(value, value.value)
