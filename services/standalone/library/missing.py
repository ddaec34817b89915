"""Photographs that are not where they were: away, or gone?

A disk that is not mounted, a share that does not answer, a link whose target is away and a synchronisation that is
half done look like deletions. So a part of a library that is gone all at once counts as away: its photographs and
their people are kept, the run says so, and only a person's word forgets them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.standalone.library.changes import Comparison, folder_of
from services.standalone.library.identity import Findings
from services.standalone.settings import StandaloneSettings
from shared.errors import InvalidInput
from shared.ports.file_index import IndexedFile


@dataclass(frozen=True, slots=True)
class Absence:
    """What is missing: photographs that count as deleted or as away, those that are passed over now, and the rest.

    The `rest` are files of which nothing was decoded, to be forgotten without a word.
    """

    deleted: Sequence[IndexedFile] = ()
    away: Sequence[IndexedFile] = ()
    left_out: Sequence[IndexedFile] = ()
    rest: Sequence[IndexedFile] = ()


def judge(
    missing: Sequence[IndexedFile],
    disowned: Sequence[IndexedFile],
    comparison: Comparison,
    settings: StandaloneSettings,
) -> Absence:
    """Say of each missing photograph, and of those that are passed over now, whether they count as deleted.

    One does if its folder still holds others, and if no more than a share of all photographs is missing in that way.
    Where the settings say so, all that is missing was deleted. What was never decoded is forgotten at once.
    """
    rest = [file for file in missing if file.unread_by is not None]
    missing = [file for file in missing if file.unread_by is None]
    if settings.forget_missing:
        return Absence(deleted=missing, left_out=disowned, rest=rest)
    single = [file for file in missing if folder_of(file.key) in comparison.folders]
    if settings.is_too_much(len(single) + len(disowned), comparison.known):
        return Absence(away=[*missing, *disowned], rest=rest)
    away = [file for file in missing if folder_of(file.key) not in comparison.folders]
    return Absence(deleted=single, away=away, left_out=disowned, rest=rest)


def check_presence(comparison: Comparison, photos: Path, out: Path, settings: StandaloneSettings) -> None:
    """Raise `InvalidInput` where there were photographs in earlier runs, and there is none any more."""
    if comparison.photos or not comparison.known or settings.forget_missing:
        return
    msg = f"{photos}: expected the photographs of earlier runs, found none; is a disk not mounted?"
    msg += f" If they are gone on purpose, use --forget-missing, or remove {out}"
    raise InvalidInput(msg)


def check_library(comparison: Comparison, found: Findings, made_from: Path, photos: Path, out: Path) -> None:
    """Raise `InvalidInput` where a result was made from another folder, whose photographs are not in this one.

    A library that was moved, or mounted elsewhere, is known by its photographs: half of them are enough.
    """
    if made_from == photos.resolve():
        return
    there = comparison.known - len(found.missing)
    if 2 * there < comparison.known:
        msg = f"{out}: expected a result of {photos.resolve()}, found one of {made_from}, of whose {comparison.known}"
        msg += f" photographs {there} are here; choose another --out, or use --forget-missing if it is the same"
        raise InvalidInput(msg)
