"""What the files of a result say, apart from where they are."""

from collections.abc import Callable
from dataclasses import dataclass

from more_itertools import chunked

from services.quality.settings import QualitySettings
from services.standalone.report import write_page
from services.standalone.report.page import Text
from services.standalone.result.assignments import assignments
from services.standalone.result.folder import PEOPLE, UNKNOWN
from shared.domain.matching import AssignerSettings
from shared.embedding_tables import write_embeddings, write_header, write_medoids
from shared.ports.file_index import FileIndex
from shared.ports.objects import ObjectStore
from shared.ports.repository import FaceRepository
from shared.settings import BucketSettings

_BLOCK = 500  # faces whose rows are written together


@dataclass(frozen=True, slots=True)
class Contents:
    """A generation, and all that its files are made from; the same records and crops give the same bytes."""

    repository: FaceRepository
    objects: ObjectStore
    index: FileIndex
    generation: int
    buckets: BucketSettings
    assigner: AssignerSettings
    quality: QualitySettings

    def write_faces(self, events: Text, embeddings: Text, want: Callable[[str, str], object]) -> None:
        """Write `assignments.jsonl` and `embeddings.csv`, and tell `want` each place in a folder and its crop."""
        header_written = False
        for block in chunked(assignments(self.repository, self.generation), _BLOCK):
            rows = []
            for item in block:
                events.write(item.event().model_dump_json() + "\n")
                if item.face.vector is None:
                    continue
                rows.append((item.face.crop_key, item.label, item.face.vector))
                want(place(item.membership.cluster_id, item.face.crop_key), item.face.crop_key)
            if rows and not header_written:
                write_header(embeddings, len(rows[0][2]))
                header_written = True
            write_embeddings(embeddings, rows)

    def write_medoids(self, file: Text) -> None:
        """Write `medoids.csv`."""
        clusters = self.repository.clusters(self.generation)
        write_medoids(file, ((cluster.cluster_id, cluster.medoid) for cluster in clusters))

    def write_report(self, file: Text) -> None:
        """Write `report.html`."""
        write_page(
            self.repository,
            self.objects,
            file,
            faces_bucket=self.buckets.faces,
            similarity_threshold=self.assigner.threshold,
            sharpness_threshold=self.quality.sharpness_threshold,
            rule=self.assigner.rule,
            passed_over=list(self.index.passed_over()),
        )


def place(cluster_id: str | None, crop_key: str) -> str:
    """Return the path of a crop in the folder of its person, or of those that are unknown."""
    name = crop_key.rpartition("/")[2]
    return f"{PEOPLE}/{cluster_id}/{name}" if cluster_id else f"{UNKNOWN}/{name}"
