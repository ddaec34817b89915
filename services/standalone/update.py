"""Updating the library of a result from its folder: compare -> identify -> begin -> intake -> finish."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from services.standalone.intake import Added, Intake
from services.standalone.library.changes import Comparison, compare
from services.standalone.library.identity import Findings, Reader, identify
from services.standalone.library.library import Library
from services.standalone.library.missing import Missing, judge
from services.standalone.library.photo_selector import PhotoSelector
from services.standalone.settings import RunSettings
from services.standalone.summary import Changes
from shared.erasure.refit import refit_clusters_without_medoid
from shared.photos.photo_rule import PhotoRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """One update of a library. `decoders` names the decoders and limits of this run (`library/decoders.py`)."""

    library: Library
    intake: Intake
    settings: RunSettings
    decoders: str

    def compare(self) -> Comparison:
        """Compare the files of the folder with those of the index, by names, sizes and times. Nothing is written."""
        library, bucket = self.library, self.settings.buckets.photos
        known = library.index.files()
        if self.settings.rescan:
            known = (replace(file, stamp="") for file in known)
        rule = PhotoRule.of(self.settings.photo_rule, str(self.settings.photos.resolve()))
        opener = PhotoSelector(library.folder, bucket, rule, self.decoders)
        return compare(library.folder.walk(bucket), known, opener.passed_over, self.decoders)

    def identify(self, comparison: Comparison) -> Findings:
        """Find out which photograph each file holds that is new, or whose content may have changed."""
        bucket, limit = self.settings.buckets.photos, self.settings.detector.max_bytes
        return identify(comparison, self.library.index, Reader(self.library.folder, bucket, limit, self.decoders))

    def begin(self, found: Findings) -> int:
        """Store all findings that need no decoding; return the number of photographs that have a new key.

        Before that, remove the crops that a killed run left behind.
        """
        if not self.library.index.begin_run():
            self.library.remove_orphans()
        renamed = self.library.apply(found)
        refit_clusters_without_medoid(self.library.repository)  # of faces that an earlier version erased
        return renamed

    def finish(self, comparison: Comparison, found: Findings, added: Added, renamed: int) -> Changes:
        """Store copies and forget what was deleted, after the intake has `added` the pending photographs."""
        library = self.library
        spoilt = self._store_copies(comparison, found, added)
        refused = {**found.refused, **added.refused}
        missing = self._missing(comparison, found, refused)
        forgotten, left_out = library.forget(missing.deleted), library.forget(missing.left_out)
        library.forget(missing.undecoded)
        library.pass_over(comparison)
        library.index.end_run()
        return Changes(
            renamed=renamed,
            forgotten=forgotten,
            left_out=left_out,
            copies=library.index.copies(),
            away=[file.key for file in missing.away],
            refused=refused,
            spoilt=spoilt,
            passed_over=comparison.reasons,
        )

    def _store_copies(self, comparison: Comparison, found: Findings, added: Added) -> dict[str, str]:
        """Store copies, and files of known photographs that can no longer be decoded, unless these are many at once.

        A failing disk or an unfinished synchronisation turns photographs into zeros or halves; a person does not. If
        there are many, what is known of them is kept. Returns their keys with the reasons.
        """
        was_decoded = {file.key for _, file in comparison.changed if file.unread_by is None}
        reasons = {item.photo.photo.etag: item.photo.reason or "" for item in added.spoilt}
        alike = {info.key: reasons[etag] for info, etag in found.copies if etag in reasons and info.key in was_decoded}
        spoilt = {item.photo.photo.key: item.photo.reason or "" for item in added.spoilt} | alike
        if self.settings.standalone.is_too_much(len(spoilt), comparison.known):
            self.library.add_copies([(info, etag) for info, etag in found.copies if info.key not in spoilt])
            return spoilt
        if added.spoilt:
            stamps = {info.key: info.stamp for info in found.pending}
            self.intake.store_spoilt(added.spoilt, stamps)
        self.library.add_copies(found.copies)
        return {}

    def _missing(self, comparison: Comparison, found: Findings, refused: Collection[str]) -> Missing:
        """Decide which missing photographs were deleted.

        A photograph below a name that cannot be read now, such as a link whose target is away, is not missing.
        """
        closed = tuple(f"{key.removesuffix('/')}/" for key in refused)
        missing = [file for file in found.missing if not file.key.startswith(closed)]
        return judge(missing, found.disowned, comparison, self.settings.standalone)
