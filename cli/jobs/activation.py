"""The work of `facestream generations rollback` and `publish`: make another generation the active one."""

from pathlib import Path

from cli.repositories import numbered, opened_result
from services.reclusterer.generations.publish import NOT_ANNOUNCED, Publisher
from services.reclusterer.settings import JobSettings
from shared.domain.matching import AssignerSettings
from shared.domain.records import Generation, GenerationState
from shared.errors import InvalidInput


def activate_in_stream(number: int, wanted: GenerationState) -> str:
    """Activate and announce a generation of the stream, which must have the state `wanted`; return a summary.

    Acquires the lease, so it raises `Busy` while the job is at work; `InvalidInput`, `Fatal`, `Transient`.
    """
    # Not at the top: commands on folders must work without the libraries of the stream.
    from cli.operator_lease import lease_with_writer  # noqa: PLC0415
    from shared.adapters.mongo.repository import MongoRepository  # noqa: PLC0415
    from shared.adapters.mongo.settings import MongoSettings  # noqa: PLC0415

    settings, mongo = JobSettings(), MongoSettings()
    messages: list[str] = []
    with MongoRepository(mongo) as repository, lease_with_writer(repository, settings) as (lease, writer):
        publisher = Publisher(
            repository=repository,
            lease=lease,
            writer=writer,
            assigner=AssignerSettings(),
            settings=settings,
            log=lambda event, _: messages.append(event),
        )
        done = _published(publisher, number, wanted)
    summary = f"generation {done.number} is active instead of {done.previous}, and announced"
    return "\n".join([summary, *(line for line in messages if line == NOT_ANNOUNCED)])


def activate_in_folder(result: Path, number: int) -> str:
    """Activate a retired generation of a folder's result, and write its files again; return a summary.

    Files that the user added or changed stay, and are listed in the summary. If the command is killed after the
    activation, the next `facestream run` writes the files. Raises `InvalidInput`, also if a file to be replaced is the
    user's, and `Transient`.
    """
    # Not at the top: commands on the stream must work without the libraries of the report.
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
        moved_aside = files.check()
        with publisher(repository, assigner) as publishing:
            done = _published(publishing, number, GenerationState.RETIRED)
        left = files.write()
    summary = f"generation {done.number} is active instead of {done.previous}; all files in {result} are written again"
    return "\n".join([summary, *moved_aside, *left])


def _published(publisher: Publisher, number: int, wanted: GenerationState) -> Generation:
    publisher.resume()
    target = numbered(publisher.repository, number)
    if target.state is not wanted:
        msg = f"generation {number}: expected one that is {wanted}, it is {target.state}"
        raise InvalidInput(msg)
    return publisher.publish(target)
