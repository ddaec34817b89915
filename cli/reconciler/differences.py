"""One walk over what the bucket lists and what the database knows, and what it says of each key that differs."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from cli.reconciler.summary import Report
from shared.domain.events import Outcome
from shared.domain.ids import object_id
from shared.domain.records import ImageRecord
from shared.photos.photo_rule import PhotoRule
from shared.ports.objects import ObjectInfo
from shared.ports.repository import FaceRepository


@dataclass(frozen=True, slots=True)
class Pair:
    """One key: the object if there is one, the images that the database has of it."""

    info: ObjectInfo | None
    images: Sequence[ImageRecord]


def differences(
    infos: Iterator[ObjectInfo],
    repository: FaceRepository,
    bucket: str,
    report: Report,
    *,
    rule: PhotoRule,
    unreadable: bool,
) -> Iterator[Pair]:
    """Yield the keys of which bucket and database do not say the same, and count what both of them hold.

    An object that the `rule` passes over has no outcome and misses none, unless one of it stands from another rule.
    """
    for pair in _side_by_side(infos, repository.images(), bucket):
        is_removed = all(map(is_removal, pair.images))
        report.listed += pair.info is not None
        if pair.info and is_removed and rule.passes_over(pair.info.key):
            continue
        report.objects += pair.info is not None
        report.known += not is_removed
        decided = _is_decided(pair.info, pair.images, unreadable=unreadable) if pair.info else is_removed
        if not decided:
            yield pair


def still_undecided(
    repository: FaceRepository, bucket: str, infos: Iterable[ObjectInfo], *, unreadable: bool
) -> Iterator[tuple[ObjectInfo, Sequence[ImageRecord]]]:
    """Yield the objects whose content has no outcome that stands, each with what is known of it."""
    by_id = {object_id(bucket, info.key): info for info in infos}
    known = repository.images_of(list(by_id))
    for its_id, info in by_id.items():
        images = known.get(its_id, ())
        if not _is_decided(info, images, unreadable=unreadable):
            yield info, images


def last_images(repository: FaceRepository, bucket: str, keys: Sequence[str]) -> Iterator[ImageRecord]:
    """Yield one image of each of these objects whose removal is not known yet."""
    known = repository.images_of([object_id(bucket, key) for key in keys])
    living = [[image for image in images if not is_removal(image)] for images in known.values()]
    yield from (images[-1] for images in living if images)


def is_removal(image: ImageRecord) -> bool:
    """Say whether an image is the mark of a removal."""
    return image.outcome is Outcome.REMOVED


def is_known(info: ObjectInfo, images: Iterable[ImageRecord]) -> bool:
    """Say whether what an object holds has an outcome, whether that stands or not."""
    return any(image.etag == info.etag and image.size == info.size and not is_removal(image) for image in images)


def _side_by_side(infos: Iterator[ObjectInfo], images: Iterable[ImageRecord], bucket: str) -> Iterator[Pair]:
    """Yield every key that one of the two has, in the order of UTF-8 bytes, which both come in."""
    info = next(infos, None)
    for key, group in groupby((image for image in images if image.bucket == bucket), lambda image: image.key):
        while info is not None and info.key.encode() < key.encode():
            yield Pair(info, ())
            info = next(infos, None)
        same = info if info is not None and info.key == key else None
        yield Pair(same, list(group))
        info = next(infos, None) if same else info
    while info is not None:
        yield Pair(info, ())
        info = next(infos, None)


def _is_decided(info: ObjectInfo, images: Iterable[ImageRecord], *, unreadable: bool) -> bool:
    """Say whether what an object holds has an outcome that stands.

    One for a reason that may pass does not; with `unreadable`, none of a photograph that could not be read does.
    """
    standing = [image for image in images if not (image.passing or (unreadable and _is_unreadable(image)))]
    return is_known(info, standing)


def _is_unreadable(image: ImageRecord) -> bool:
    return image.outcome is Outcome.UNREADABLE
