"""One run over a folder: compare -> identify -> take in (`arrivals.py`) -> forget -> (regroup)."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from more_itertools import ilen

from services.reclusterer.step import ReclusterResult, recluster
from services.standalone.detect_and_screen import Detection
from services.standalone.intake import Added, Arrivals
from services.standalone.library.changes import Comparison, compare
from services.standalone.library.identity import Findings, Reader, identify
from services.standalone.library.library import Library
from services.standalone.library.missing import Absence, judge
from services.standalone.library.passed_over import Opener
from services.standalone.recluster import job_settings, publisher
from services.standalone.settings import RunSettings
from services.standalone.summary import Changes
from shared.domain.records import Generation
from shared.erasure.refit import refit_bereft
from shared.photos.photo_rule import PhotoRule
from shared.ports.objects import ObjectInfo


@dataclass(frozen=True, slots=True)
class Run:
    """One run over a folder: the photographs, what decodes them, and the settings.

    `decoders` names the decoders and limits of this run.
    """

    library: Library
    detection: Detection
    settings: RunSettings
    decoders: str

    @property
    def arrivals(self) -> Arrivals:
        """Return what takes photographs in."""
        return Arrivals(self.library, self.detection, self.settings, self.decoders)

    def compare(self, *, rescan: bool) -> Comparison:
        """Compare the folder with what is known of it. `rescan`: as if somebody might have touched every file."""
        bucket, index = self.settings.buckets.photos, self.library.index
        known = (replace(file, stamp="") for file in index.files()) if rescan else index.files()
        folder = self.detection.objects()
        rule = PhotoRule.of(self.settings.photos, str(self.detection.photos.resolve()))
        opener = Opener(folder, bucket, rule, self.decoders)
        return compare(folder.walk(bucket), known, opener.passed_over, self.decoders)

    def identify(self, comparison: Comparison) -> Findings:
        """Find out which photograph each file holds that is new, or may be another one than before."""
        bucket, limit = self.settings.buckets.photos, self.settings.detector.max_bytes
        return identify(comparison, self.library.index, Reader(self.detection.objects(), bucket, limit, self.decoders))

    def take_in(self, comparison: Comparison, found: Findings, add: Callable[[Sequence[ObjectInfo]], Added]) -> Changes:
        """Bring the repository up to date with what was found in the folder; return what was done.

        `add` decodes photographs and stores them, as `Arrivals.add` does, and is called only where there are any.
        """
        library = self.library
        if not library.index.begin_run():
            library.remove_orphans()
        renamed = library.settle(found)
        refit_bereft(library.repository)  # of faces that an earlier version of this software has erased
        added = add(found.pending) if found.pending else Added()
        spoilt = self._take_in_copies(comparison, found, added)
        refused = {**found.refused, **added.refused}
        absence = self._absence(comparison, found, refused)
        forgotten, left_out = library.forget(absence.deleted), library.forget(absence.left_out)
        library.forget(absence.rest)
        library.pass_over(comparison)
        library.index.end_run()
        return Changes(
            renamed=renamed,
            forgotten=forgotten,
            left_out=left_out,
            copies=library.index.copies(),
            away=[file.key for file in absence.away],
            refused=refused,
            spoilt=spoilt,
            passed_over=comparison.reasons,
        )

    def _take_in_copies(self, comparison: Comparison, found: Findings, added: Added) -> dict[str, str]:
        """Take in copies, and known files that hold no photograph any more, unless these are many at once.

        A disk that fails, or a synchronisation that is half done, makes photographs zeros or halves; a person does not.
        Returns those that are kept for that, with the reasons.
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
            self.arrivals.store_spoilt(added.spoilt, stamps)
        self.library.add_copies(found.copies)
        return {}

    def _absence(self, comparison: Comparison, found: Findings, refused: Collection[str]) -> Absence:
        """Say of the photographs that are missing whether they count as deleted.

        What lies below a name that cannot be read just now, as a link whose target is away, is not missing.
        """
        closed = tuple(f"{key.removesuffix('/')}/" for key in refused)
        missing = [file for file in found.missing if not file.key.startswith(closed)]
        return judge(missing, found.disowned, comparison, self.settings.standalone)

    def regroup(self, model_id: str) -> ReclusterResult:
        """Cluster all faces of this model anew and make the result the active generation, or say why not."""
        repository = self.library.repository
        with publisher(repository, self.settings.assigner) as publishing:
            return recluster(
                repository,
                publishing,
                self.settings.reclusterer,
                job_settings(),
                phases=publishing.phases,
                model_id=model_id,
            )

    def is_due(self, generation: Generation | None) -> bool:
        """Say whether a run regroups without being asked.

        It does before the first generation, and while the active one has no people or was made of a small share of
        the faces there are: a first run over few photographs decides nothing. Where a person went back to an earlier
        generation, that is a decision.
        """
        if generation is None:
            return True
        if generation.previous > generation.number:
            return False
        if not generation.counts.get("clusters"):
            return True
        faces = ilen(self.library.repository.accepted_ids())
        return generation.counts.get("faces", 0) < self.settings.standalone.recluster_below * faces
