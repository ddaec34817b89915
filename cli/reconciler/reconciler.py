"""Announce the differences between the photo bucket and the database.

Both are read in the same order, so one walk over both compares them, whatever their size. Meanwhile objects are added
and removed, and outcomes are written; so each difference is checked again, by itself, before it is announced.

Absence from a listing is not removal: MinIO omits a whole folder if an object has the folder's name. So the object
itself is asked for. And if far more is gone than people usually remove without the stream reading of it, the bucket is
probably a wrong, new or half restored one: nothing is announced as removed until an operator has checked. This check
waits while the stream has records to read, because these may report the removals.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import SystemRandom
from typing import Protocol

from more_itertools import chunked

from cli.reconciler.differences import differences, is_known, last_images, still_without_outcome
from cli.reconciler.summary import Summary, common_prefix
from shared.domain.records import ImageRecord
from shared.errors import ObjectRefused
from shared.photos.photo_rule import PhotoRule
from shared.ports.objects import ObjectInfo, ObjectStore
from shared.ports.repository import FaceRepository
from shared.ports.streams import ProducedRecord
from shared.stream import notification_records as notifications

_BLOCK = 500  # objects that are looked up at once, and notifications in one transaction
_THREADS = 16  # objects that are asked for at once; the store keeps as many connections open
# Removals up to this number are never too many, whatever their share: people remove thirty of a hundred in one go.
_FEW = 20
_FEW_OF_ALL = 5  # the same if the bucket is empty afterwards, as a lost one is
# Photographs that are announced once more in one run: each may cost the detector its whole timeout.
_MOST_AGAIN = 100


class NotificationWriter(Protocol):
    """Writes records to Kafka."""

    def write(self, records: Sequence[ProducedRecord]) -> None:
        """Write all of the records or none; raises `Transient`, `Fatal`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciler:
    """Compares one bucket with the database, and announces the differences to the stream.

    writer: Writes the notifications.
    rule: Objects whose keys it passes over are ignored.
    grace: Objects without an outcome that are younger are not announced.
    largest_loss: Largest share of the known photographs that are announced as removed in one run; 1: all.
    unreadable: Announce all unreadable photographs again, and not only a hundred of those with a failure that may pass.
    is_behind: Returns whether records wait in the stream; called if too much is gone.
    """

    objects: ObjectStore
    repository: FaceRepository
    bucket: str
    writer: NotificationWriter
    rule: PhotoRule
    grace: timedelta
    largest_loss: float
    unreadable: bool = False
    is_behind: Callable[[], bool] = lambda: False

    def run(self) -> Summary:
        """Compare and announce.

        In memory are 500 differences at a time, and the keys of all that is gone: a million keys of 60 bytes take
        100 MB. Raises what the object store, the repository and the writer raise.
        """
        now, summary = datetime.now(UTC), Summary()
        gone: list[str] = []
        unread: list[ObjectInfo] = []
        with ThreadPoolExecutor(_THREADS, "exists") as pool:
            differing = differences(
                self.objects.list(self.bucket),
                self.repository,
                self.bucket,
                summary,
                rule=self.rule,
                unreadable=self.unreadable,
            )
            for block in chunked(differing, _BLOCK):
                records: list[ProducedRecord] = []
                for info, known in self._without_outcome([compared.info for compared in block if compared.info]):
                    if is_known(info, known):
                        unread.append(info)
                    elif now - info.modified < self.grace:
                        summary.young += 1
                    else:
                        summary.without_outcome += 1
                        records.append(notifications.uploaded(self.bucket, info, known))
                if records:
                    self.writer.write(records)
                unlisted = [compared.images[0].key for compared in block if not compared.info]
                gone += self._gone(unlisted, pool, summary)
        self._announce_removals(gone, summary, now)
        self._announce_again(unread, summary)
        return summary

    def _without_outcome(self, infos: Sequence[ObjectInfo]) -> Iterator[tuple[ObjectInfo, Sequence[ImageRecord]]]:
        return still_without_outcome(self.repository, self.bucket, infos, unreadable=self.unreadable)

    def _gone(self, unlisted: Sequence[str], pool: Executor, summary: Summary) -> Iterator[str]:
        """Yield the keys of which the store itself answers that there is no object."""

        def exists(key: str) -> bool | None:
            try:
                return self.objects.exists(self.bucket, key)
            except ObjectRefused:
                return None

        for key, found in zip(unlisted, pool.map(exists, unlisted), strict=True):
            if found is None:  # an object to which access is denied is not gone
                summary.first_inaccessible = summary.first_inaccessible or key
                summary.inaccessible += 1
            elif found:
                summary.first_hidden = summary.first_hidden or key
                summary.hidden += 1
            else:
                yield key

    def _announce_removals(self, keys: Sequence[str], summary: Summary, now: datetime) -> None:
        """Announce these objects as removed, unless there are too many."""
        summary.gone, summary.prefix_of_gone = len(keys), common_prefix(keys)
        if self._is_too_much(summary):
            # In this order: the outcomes of the records that the stream has read by now are in the database then.
            is_behind = self.is_behind()
            keys = [image.key for block in chunked(keys, _BLOCK) for image in self._last_images(block)]
            summary.known -= summary.gone - len(keys)
            summary.gone, summary.prefix_of_gone = len(keys), common_prefix(sorted(keys))
            if self._is_too_much(summary):
                summary.stream_behind, summary.withheld = is_behind, not is_behind
                return
        summary.gone = 0
        for block in chunked(keys, _BLOCK):
            if records := [notifications.removed(image, now) for image in self._last_images(block)]:
                self.writer.write(records)
            summary.gone += len(records)

    def _last_images(self, keys: Sequence[str]) -> Iterator[ImageRecord]:
        return last_images(self.repository, self.bucket, keys)

    def _is_too_much(self, summary: Summary) -> bool:
        if not summary.gone or self.largest_loss >= 1:
            return False
        # An empty bucket is probably a wrong, new or lost one, whatever the share.
        is_empty = not summary.listed and not summary.hidden
        return summary.gone > (_FEW_OF_ALL if is_empty else max(_FEW, self.largest_loss * summary.known))

    def _announce_again(self, unread: Sequence[ObjectInfo], summary: Summary) -> None:
        """Announce unreadable photographs once more: all with `unreadable`, else some of them.

        These are drawn at random, because no run remembers which ones were tried. So each photograph has its turn, also
        among many that never become readable, and however often this runs.
        """
        drawn = unread if self.unreadable else SystemRandom().sample(unread, min(_MOST_AGAIN, len(unread)))
        summary.left = len(unread) - len(drawn)
        for block in chunked(drawn, _BLOCK):
            undecided = self._without_outcome(block)
            if records := [notifications.uploaded(self.bucket, info, known, retry=True) for info, known in undecided]:
                self.writer.write(records)
            summary.again += len(records)
