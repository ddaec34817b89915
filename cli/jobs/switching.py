"""`facestream generations rollback` and `publish`: the way to another generation, in the stream and in a folder."""

from pathlib import Path

from cli.jobs.repositories import numbered, opened_result
from services.reclusterer.generations.publish import NOT_ANNOUNCED, Publisher
from services.reclusterer.settings import JobSettings
from shared.domain.matching import AssignerSettings
from shared.domain.records import Generation, GenerationState
from shared.errors import InvalidInput


def go_to(number: int, wanted: GenerationState) -> str:
    """Make a retired or a held generation of the stream the active one and tell the world; return what was done.

    Takes the lease as the job does, and so raises `Busy` while that is at work; `InvalidInput`, `Fatal`, `Transient`.
    """
    # Not at the top: who works on folders alone need not have the libraries of the stream.
    from cli.jobs.leading import leading  # noqa: PLC0415
    from shared.adapters.mongo.repository import MongoRepository, MongoSettings  # noqa: PLC0415

    settings, mongo = JobSettings(), MongoSettings()
    said: list[str] = []
    with MongoRepository(mongo) as repository, leading(repository, settings) as (hold, writer):
        publisher = Publisher(
            repository=repository,
            lease=hold,
            writer=writer,
            assigner=AssignerSettings(),
            settings=settings,
            log=lambda event, _: said.append(event),
        )
        done = _published(publisher, number, wanted)
    told = f"generation {done.number} is active, in the place of {done.previous}, and announced"
    return "\n".join([told, *(line for line in said if line == NOT_ANNOUNCED)])


def go_back(result: Path, number: int) -> str:
    """Make a retired generation of a folder's result the active one, and its files anew; return what was done.

    What a person has put or changed there stays, and is told. Killed in between, the next `facestream run` makes the
    files. Raises `InvalidInput`, also where a file that would be replaced is a person's, and `Transient`.
    """
    # Not at the top: the report needs libraries that the stream does without.
    from services.quality.settings import QualitySettings  # noqa: PLC0415
    from services.standalone.recluster import publisher  # noqa: PLC0415
    from services.standalone.result.contents import ResultContents  # noqa: PLC0415
    from services.standalone.result.files import ResultFiles  # noqa: PLC0415
    from shared.adapters.folder.store import FolderStore  # noqa: PLC0415
    from shared.settings import BucketSettings  # noqa: PLC0415

    buckets, assigner = BucketSettings(), AssignerSettings()
    with opened_result(result) as repository:
        contents = ResultContents(
            repository=repository,
            crops=FolderStore({buckets.faces: result}),
            index=repository.file_index(),
            buckets=buckets,
            assigner=assigner,
            quality=QualitySettings(),
        )
        files = ResultFiles(contents, result)
        aside = files.check()
        with publisher(repository, assigner) as publishing:
            done = _published(publishing, number, GenerationState.RETIRED)
        left = files.write()
    told = f"generation {done.number} is active, in the place of {done.previous}; all files in {result} are made anew"
    return "\n".join([told, *aside, *left])


def _published(publisher: Publisher, number: int, wanted: GenerationState) -> Generation:
    publisher.resume()
    target = numbered(publisher.repository, number)
    if target.state is not wanted:
        msg = f"generation {number}: expected one that is {wanted}, it is {target.state}"
        raise InvalidInput(msg)
    return publisher.publish(target)
