"""Missing photographs: were they deleted, or is their folder only away?

A disk that is not mounted, a share that does not answer, a link whose target is away and an unfinished synchronisation
all look like deletions. So a part of a library that is missing all at once counts as away: its photographs and their
people are kept, the run reports them, and only `--forget-missing` makes it forget them.
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
class Missing:
    """The missing photographs, sorted.

    `deleted` are to be forgotten. `away` are kept. `left_out` are passed over now, and to be forgotten. `undecoded` are
    files that were never decoded, to be forgotten without being reported.
    """

    deleted: Sequence[IndexedFile] = ()
    away: Sequence[IndexedFile] = ()
    left_out: Sequence[IndexedFile] = ()
    undecoded: Sequence[IndexedFile] = ()


def judge(
    missing: Sequence[IndexedFile],
    disowned: Sequence[IndexedFile],
    comparison: Comparison,
    settings: StandaloneSettings,
) -> Missing:
    """Decide which of the missing photographs, and of those that are passed over now, were deleted.

    A photograph counts as deleted if its folder still holds others, and if not too many photographs are missing in this
    way at once. With `forget_missing`, all missing photographs count as deleted.
    """
    undecoded = [file for file in missing if file.unread_by is not None]
    missing = [file for file in missing if file.unread_by is None]
    if settings.forget_missing:
        return Missing(deleted=missing, left_out=disowned, undecoded=undecoded)
    single = [file for file in missing if folder_of(file.key) in comparison.folders]
    if settings.is_too_much(len(single) + len(disowned), comparison.known):
        return Missing(away=[*missing, *disowned], undecoded=undecoded)
    away = [file for file in missing if folder_of(file.key) not in comparison.folders]
    return Missing(deleted=single, away=away, left_out=disowned, undecoded=undecoded)


def check_presence(comparison: Comparison, photos: Path, out: Path, settings: StandaloneSettings) -> None:
    """Raise `InvalidInput` if earlier runs found photographs in the folder, and this one finds none."""
    if comparison.photos or not comparison.known or settings.forget_missing:
        return
    msg = f"{photos}: expected the photographs of earlier runs, found none; is a disk not mounted?"
    msg += f" If they are gone on purpose, use --forget-missing, or remove {out}"
    raise InvalidInput(msg)


def check_library(comparison: Comparison, found: Findings, made_from: Path, photos: Path, out: Path) -> None:
    """Raise `InvalidInput` if a result was made from another folder, `made_from`, with other photographs than this one.

    A library that was moved, or mounted elsewhere, is recognised by its photographs: half of them are enough.
    """
    if made_from == photos.resolve():
        return
    present = comparison.known - len(found.missing)
    if 2 * present < comparison.known:
        msg = f"{out}: expected a result of {photos.resolve()}, found one of {made_from}, of whose {comparison.known}"
        msg += f" photographs {present} are here; choose another --out, or use --forget-missing if it is the same"
        raise InvalidInput(msg)
