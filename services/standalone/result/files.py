"""The files of a result that people and other programs read; each run makes them again from the database.

A reader finds either the old or the new version of each file, complete. Files that a person has put there or changed
are never replaced.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.standalone.result import adoption
from services.standalone.result.contents import ResultContents
from services.standalone.result.drafts import (
    ASSIGNMENTS,
    EMBEDDINGS,
    MEDOIDS,
    Drafts,
    check_none_foreign,
    foreign_files,
)
from services.standalone.result.folder import REPORT
from services.standalone.result.made_files import MadeFiles
from services.standalone.result.person_folders import PersonFolders
from shared.atomic_output import explained
from shared.errors import InvalidInput


def _show_nothing(_stage: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class ResultFiles:
    """The files of the result in the folder `out`, which the caller has locked."""

    contents: ResultContents
    out: Path

    def check(self) -> Sequence[str]:
        """Raise `InvalidInput` with the names of files that `write` would replace and a person has made or changed.

        Called before anything in the folder or its database is changed. Files that a killed command has left behind
        are removed. In a result of a version without manifests this takes as long as writing the files once, and files
        can be renamed; returns a line about each of these.
        """
        renamed: Sequence[str] = ()
        with explained(self.out), MadeFiles(self.out) as manifest:
            if manifest.begun:
                manifest.sweep()
            else:
                renamed = adoption.begin(manifest, self.contents)
            check_none_foreign(self.out, foreign_files(manifest, [ASSIGNMENTS, EMBEDDINGS, MEDOIDS, REPORT]))
        return renamed

    def write(self, stage: Callable[[str], object] = _show_nothing) -> Sequence[str]:
        """Make all files again from the active generation, after `check`; `stage` is called with the name of each step.

        Returns lines on entries in the folders of people that were kept as they are. Raises `InvalidInput` if there is
        no generation, if `out` cannot be written or if one of the files is a person's, and `Transient` if the disk is
        full. The files are then those of an earlier run, and the next run makes them.
        """
        active = self.contents.repository.active_generation()
        if active is None:
            msg = f"{self.out}: expected a generation, found none yet: faces have not been grouped so far"
            raise InvalidInput(msg)
        with explained(self.out), MadeFiles(self.out) as manifest, manifest.wanting():
            drafts = Drafts(manifest)
            try:
                stage("writing people, events and vectors")
                with drafts.text(ASSIGNMENTS) as events, drafts.text(EMBEDDINGS) as embeddings:
                    self.contents.write_faces(active.number, events, embeddings, manifest.want)
                with drafts.text(MEDOIDS) as medoids:
                    self.contents.write_medoids(active.number, medoids)
                stage("drawing the report")
                with drafts.text(REPORT) as report:
                    self.contents.write_report(report)
                kept = PersonFolders(manifest).bring_up_to_date()
                drafts.publish()
            finally:
                manifest.sweep()
        return kept
