"""One walk over the listing of the bucket and the images of the database, which yields the keys that differ."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter, itemgetter

from cli.reconciler.summary import Summary
from shared.domain.events import Outcome
from shared.domain.ids import object_id
from shared.domain.records import ImageRecord
from shared.ordered import outer_join
from shared.photos.photo_rule import PhotoRule
from shared.ports.objects import ObjectInfo
from shared.ports.repository import FaceRepository


@dataclass(frozen=True, slots=True)
class ComparedKey:
    """One key: its object in the bucket, None if there is none, and its images in the database."""

    info: ObjectInfo | None
    images: Sequence[ImageRecord]


def differences(
    infos: Iterator[ObjectInfo],
    repository: FaceRepository,
    bucket: str,
    summary: Summary,
    *,
    rule: PhotoRule,
    unreadable: bool,
) -> Iterator[ComparedKey]:
    """Yield the keys for which bucket and database differ, and count objects and known photographs in `summary`.

    Objects whose keys the `rule` passes over are ignored, unless the database has an outcome of one, which was made
    under another rule. With `unreadable`, photographs that could not be read count as different.
    """
    for compared in _side_by_side(infos, repository.images(), bucket):
        is_removed = all(image.is_removed for image in compared.images)
        summary.listed += compared.info is not None
        if compared.info and is_removed and rule.passes_over(compared.info.key):
            continue
        summary.objects += compared.info is not None
        summary.known += not is_removed
        if compared.info:
            is_same = _has_final_outcome(compared.info, compared.images, unreadable=unreadable)
        else:
            is_same = is_removed
        if not is_same:
            yield compared


def still_without_outcome(
    repository: FaceRepository, bucket: str, infos: Iterable[ObjectInfo], *, unreadable: bool
) -> Iterator[tuple[ObjectInfo, Sequence[ImageRecord]]]:
    """Yield the objects whose content has no final outcome now, each with its images in the database."""
    by_id = {object_id(bucket, info.key): info for info in infos}
    known = repository.images_of(list(by_id))
    for its_id, info in by_id.items():
        images = known.get(its_id, ())
        if not _has_final_outcome(info, images, unreadable=unreadable):
            yield info, images


def last_images(repository: FaceRepository, bucket: str, keys: Sequence[str]) -> Iterator[ImageRecord]:
    """Yield the last image of each of these keys whose removal is not recorded yet."""
    known = repository.images_of([object_id(bucket, key) for key in keys])
    living = [[image for image in images if not image.is_removed] for images in known.values()]
    yield from (images[-1] for images in living if images)


def is_known(info: ObjectInfo, images: Iterable[ImageRecord]) -> bool:
    """Return whether the content of an object has an outcome, also one that is not final."""
    return any(image.etag == info.etag and image.size == info.size and not image.is_removed for image in images)


def _side_by_side(infos: Iterator[ObjectInfo], images: Iterable[ImageRecord], bucket: str) -> Iterator[ComparedKey]:
    """Yield every key of the bucket and of the database; both are sorted by the key's UTF-8 bytes, as is the result."""
    of_bucket = (image for image in images if image.bucket == bucket)
    known = ((key, list(group)) for key, group in groupby(of_bucket, attrgetter("key")))
    for info, of_key in outer_join(infos, known, attrgetter("key"), itemgetter(0)):
        yield ComparedKey(info, of_key[1] if of_key else ())


def _has_final_outcome(info: ObjectInfo, images: Iterable[ImageRecord], *, unreadable: bool) -> bool:
    """Return whether the content of an object has a final outcome.

    A failure that may pass is not final; with `unreadable`, no outcome of an unreadable photograph is.
    """
    final = [image for image in images if not (image.passing or (unreadable and _is_unreadable(image)))]
    return is_known(info, final)


def _is_unreadable(image: ImageRecord) -> bool:
    return image.outcome is Outcome.UNREADABLE
