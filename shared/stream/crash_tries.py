"""Counts how often a process ended while it worked on a record, so that a record which kills its process is given up.

A killed process reports nothing. So before a process begins the first records of a partition, it writes a note: the
metadata of the group's committed offset there (`RecordStream.note`). Its next commit removes the note. The next process
with this partition reads the note, and knows how often a process began at this offset and did not finish.

One unfinished begin may have any cause. After `_SUSPICIOUS` of them, each of the records that were begun together is
begun alone, while this process does nothing else, and its begins are counted separately. Records that are not at fault
are then done, and only the one at fault collects tries. A begin that ends in any other way, an error or a stop
included, is withdrawn and is not a try.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Self
from uuid import uuid4

from shared.errors import Deadly, Fatal, Transient
from shared.ports.streams import ConsumedRecord, RecordStream

_SUSPICIOUS = 2  # unfinished begins; a single one may be a machine that was switched off
_TopicPartition = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """How often work began at the record with the offset `first` and did not finish.

    `together`: begins together with later records, up to the offset `last`. `alone`: begins while the process did
    nothing else. `by`: the id of the process that began last.
    """

    first: int = -1
    last: int = -1
    together: int = 0
    alone: int = 0
    by: str = ""

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the content of a note; no tries if the text is not one of our notes."""
        with suppress(ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            found = json.loads(text)
            numbers = {name: int(found[name]) for name in ("first", "last", "together", "alone") if name in found}
            return cls(**numbers, by=str(found.get("by", "")))
        return cls()

    @property
    def is_suspicious(self) -> bool:
        """Whether these records must be begun alone."""
        return self.together >= _SUSPICIOUS or self.alone > 0

    def text(self) -> str:
        """Return the text of the note."""
        return json.dumps(asdict(self), separators=(",", ":"))

    def without(self, process: str) -> Self:
        """Return the tries without the last begin if `process` made it: that process is alive."""
        if self.by != process:
            return self
        if self.alone:
            return replace(self, alone=self.alone - 1)
        return replace(self, together=max(0, self.together - 1))


class CrashTries:
    """What one process knows of unfinished begins in its partitions, and notes of its own."""

    def __init__(self, stream: RecordStream, most: int, on_unfinished: Callable[[ConsumedRecord, Tries], None]) -> None:
        """`most`: tries alone after which a record is given up.

        `on_unfinished` is called with a record that an earlier process began, alone or as the first of several, and did
        not finish.
        """
        self._stream = stream
        self._most = most
        self._on_unfinished = on_unfinished
        self._process = uuid4().hex[:12]
        self._known: dict[_TopicPartition, str] = {}  # notes that were read or written here
        self._suspect: dict[_TopicPartition, Tries] = {}  # until the last record that was begun is committed
        self._former: dict[_TopicPartition, str] = {}  # the notes that those of the current batch replaced
        self._prefetched: frozenset[str] = frozenset()  # record ids

    def select(self, records: Sequence[ConsumedRecord]) -> tuple[Sequence[ConsumedRecord], Sequence[ConsumedRecord]]:
        """Return the records to process now, and the rest. A suspect record is processed alone, nothing prefetched."""
        self._read_notes(records)
        prefetched, self._prefetched = self._prefetched, frozenset()
        suspect = next((record for record in records if record.topic_partition in self._suspect), None)
        if suspect is None:
            return records, ()
        # Work on prefetched records goes on in the background, so these come first.
        if now := [
            record
            for record in records
            if record.record_id in prefetched and record.topic_partition not in self._suspect
        ]:
            return now, [record for record in records if record not in now]
        return [suspect], [record for record in records if record is not suspect]

    def reason_to_give_up(self, record: ConsumedRecord) -> Deadly | None:
        """Return why this record, the first one selected, is not processed any more; None if it is processed."""
        tries = self._tries(record)
        if tries is None or tries.alone < self._most:
            return None
        return Deadly(
            f"the process ended {tries.alone} times without an error while it worked on this record alone;"
            " the usual cause is a lack of memory"
        )

    def note_begin(self, records: Sequence[ConsumedRecord]) -> bool:
        """Note that work on these records begins, if necessary; return whether it was. Raises `Transient`."""
        notes = self._together(records) if self._tries(records[0]) is None else self._alone(records[0])
        if not notes:
            return False
        new = {partition: text for partition, text in notes.items() if self._stream.noted(*partition) != text}
        self._former |= {partition: self._stream.noted(*partition) or "" for partition in new}
        if new:
            self._write(new)
        return True

    def prefetchable(self, records: Sequence[ConsumedRecord]) -> Sequence[ConsumedRecord]:
        """Return those of these records that may be begun beside others and without a note."""
        self._read_notes(records)
        found = [
            record
            for record in records
            if record.topic_partition not in self._suspect and self._stream.noted(*record.topic_partition) is None
        ]
        self._prefetched = frozenset(record.record_id for record in found)
        return found

    def committed(self, records: Sequence[ConsumedRecord]) -> None:
        """Forget what was noted of these records, which are committed."""
        self._former = {}
        for record in records:
            if (tries := self._suspect.get(record.topic_partition)) and record.offset >= tries.last:
                del self._suspect[record.topic_partition]

    def withdraw(self) -> None:
        """Restore the notes that those of the current batch replaced: it ended by an error, which is not a try."""
        self._prefetched = frozenset()
        ours = {
            partition: text for partition, text in self._former.items() if self._is_ours(self._stream.noted(*partition))
        }
        if not ours:
            return
        # If Kafka does not answer, the notes stay; then the next process counts one begin too many.
        with suppress(Transient, Fatal):
            self._write(ours)
            self._former = {}

    def _is_ours(self, text: str | None) -> bool:
        return text is not None and Tries.read(text).by == self._process

    def _read_notes(self, records: Sequence[ConsumedRecord]) -> None:
        """Read the notes of partitions that were assigned since the last call."""
        for partition, record in _firsts(records).items():
            text = self._stream.noted(*partition)
            if text is None or text == self._known.get(partition):
                continue
            self._known[partition] = text
            self._suspect.pop(partition, None)
            tries = Tries.read(text).without(self._process)
            if tries.first == record.offset and (tries.together or tries.alone):
                self._on_unfinished(record, tries)
                if tries.is_suspicious:
                    self._suspect[partition] = tries

    def _tries(self, record: ConsumedRecord) -> Tries | None:
        """Return the tries of this very record if it must be begun alone, else None."""
        found = self._suspect.get(record.topic_partition)
        if found is None or found.first == record.offset:
            return found
        return Tries(first=record.offset, last=found.last)

    def _alone(self, record: ConsumedRecord) -> Mapping[_TopicPartition, str]:
        tries = self._tries(record) or Tries(first=record.offset)
        return {record.topic_partition: replace(tries, alone=tries.alone + 1, by=self._process).text()}

    def _together(self, records: Sequence[ConsumedRecord]) -> Mapping[_TopicPartition, str]:
        """Return the notes of those partitions in which nothing was committed since they were assigned."""
        notes = {}
        for partition, record in _firsts(records).items():
            text = self._stream.noted(*partition)
            if text is None:
                continue
            before = Tries.read(text).without(self._process)
            if before.first != record.offset:
                before = Tries(first=record.offset)
            last = max(before.last, *(other.offset for other in records if other.topic_partition == partition))
            notes[partition] = replace(before, last=last, together=before.together + 1, by=self._process).text()
        return notes

    def _write(self, notes: Mapping[_TopicPartition, str]) -> None:
        self._stream.note(notes)
        self._known |= notes


def _firsts(records: Sequence[ConsumedRecord]) -> dict[_TopicPartition, ConsumedRecord]:
    """Return the first of these records in each partition."""
    found: dict[_TopicPartition, ConsumedRecord] = {}
    for record in records:
        found.setdefault(record.topic_partition, record)
    return found
