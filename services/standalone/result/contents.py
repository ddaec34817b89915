"""The contents of the files of a result, independent of where they are written."""

from collections.abc import Callable
from dataclasses import dataclass

from more_itertools import chunked

from services.quality.settings import QualitySettings
from services.standalone.report import ReportSettings, write_page
from services.standalone.result.assignments import assignments
from services.standalone.result.folder import PEOPLE, UNKNOWN
from shared.domain.matching import AssignerSettings
from shared.embedding_tables import TextFile, write_embeddings, write_header, write_medoids
from shared.ports.file_index import FileIndex
from shared.ports.objects import ObjectStore
from shared.ports.repository import FaceRepository
from shared.settings import BucketSettings

_BLOCK = 500  # faces whose rows are written together


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultContents:
    """Everything that the files are made from. The same records and crops give the same bytes."""

    repository: FaceRepository
    crops: ObjectStore
    index: FileIndex
    buckets: BucketSettings
    assigner: AssignerSettings
    quality: QualitySettings

    def write_faces(
        self, generation: int, events: TextFile, embeddings: TextFile, want: Callable[[str, str], object]
    ) -> None:
        """Write `assignments.jsonl` and `embeddings.csv` of a generation.

        `want` is called for each face with the path of its entry in a folder of people, and the path of its crop.
        """
        header_written = False
        for block in chunked(assignments(self.repository, generation), _BLOCK):
            rows = []
            for item in block:
                events.write(item.event().model_dump_json() + "\n")
                if item.face.vector is None:
                    continue
                rows.append((item.face.crop_key, item.label, item.face.vector))
                want(entry_path(item.membership.cluster_id, item.face.crop_key), item.face.crop_key)
            if rows and not header_written:
                write_header(embeddings, len(rows[0][2]))
                header_written = True
            write_embeddings(embeddings, rows)

    def write_medoids(self, generation: int, file: TextFile) -> None:
        """Write `medoids.csv` of a generation."""
        clusters = self.repository.clusters(generation)
        write_medoids(file, ((cluster.cluster_id, cluster.medoid) for cluster in clusters))

    def write_report(self, file: TextFile) -> None:
        """Write `report.html` of the active generation."""
        settings = ReportSettings(
            faces_bucket=self.buckets.faces,
            similarity_threshold=self.assigner.threshold,
            sharpness_threshold=self.quality.sharpness_threshold,
            rule=self.assigner.rule,
        )
        write_page(self.repository, self.crops, file, settings, passed_over=list(self.index.passed_over()))


def entry_path(cluster_id: str | None, crop_key: str) -> str:
    """Return the path of a crop's entry in the folder of its person, or in the folder of the unknown faces."""
    name = crop_key.rpartition("/")[2]
    return f"{PEOPLE}/{cluster_id}/{name}" if cluster_id else f"{UNKNOWN}/{name}"
