"""Photographs that are not where they were: away, or gone?

A disk that is not mounted, a share that does not answer, a link whose target is away and a synchronisation that is
half done look like deletions. So a part of a library that is gone all at once counts as away: its photographs and
their people are kept, the run says so, and only a person's word forgets them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.standalone.identity import Findings
from services.standalone.scan import Comparison, folder_of
from services.standalone.settings import StandaloneSettings
from shared.errors import InvalidInput
from shared.file_index import IndexedFile


@dataclass(frozen=True, slots=True)
class Absence:
    """Missing photographs: those that count as deleted, and those that count as away."""

    deleted: Sequence[IndexedFile]
    away: Sequence[IndexedFile]


def judge(missing: Sequence[IndexedFile], comparison: Comparison, settings: StandaloneSettings) -> Absence:
    """Say of each missing photograph whether it was deleted.

    It was if its folder still holds others, and if no more than a share of all photographs is missing in that way.
    Where the settings say so, all that is missing was deleted.
    """
    folders = [file for file in missing if file.key.endswith("/")]  # can be read again
    missing = [file for file in missing if not file.key.endswith("/")]
    gone = [*missing, *comparison.disowned]
    if settings.forget_missing:
        return Absence([*gone, *folders], ())
    single = [file for file in missing if folder_of(file.key) in comparison.folders]
    single += comparison.disowned
    if len(single) > max(settings.largest_loss * comparison.known, settings.least_loss):
        return Absence(folders, gone)
    return Absence([*single, *folders], [file for file in missing if folder_of(file.key) not in comparison.folders])


def check_presence(comparison: Comparison, photos: Path, out: Path, settings: StandaloneSettings) -> None:
    """Raise `InvalidInput` where there were photographs in earlier runs, and there is none any more."""
    if comparison.photos or not comparison.known or settings.forget_missing:
        return
    msg = f"{photos}: expected the photographs of earlier runs, found none; is a disk not mounted?"
    msg += f" If they are gone on purpose, use --forget-missing, or remove {out}"
    raise InvalidInput(msg)


def check_library(comparison: Comparison, found: Findings, made_from: Path | None, photos: Path, out: Path) -> None:
    """Raise `InvalidInput` where a result was made from another folder, whose photographs are not in this one.

    A library that was moved, or mounted elsewhere, is known by its photographs: half of them are enough.
    """
    if made_from is None or made_from == photos.resolve():
        return
    there = comparison.known - len(found.missing)
    if 2 * there < comparison.known:
        msg = f"{out}: expected a result of {photos.resolve()}, found one of {made_from}, of whose {comparison.known}"
        msg += f" photographs {there} are here; choose another --out"
        raise InvalidInput(msg)
