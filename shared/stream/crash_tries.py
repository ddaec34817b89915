"""What a killed process leaves behind: how often work on a record has begun and not ended.

A process that is killed says nothing. So before it begins with the first records of a partition, it has a note stand
with the group's offset there (`RecordStream.note`), which its next commit removes. Whoever comes to the partition
finds in the note how often somebody began at this offset and did not come back.

Once may be anything. After `_SUSPICIOUS` times, each of the records that were begun together is begun alone, with
nothing else at work in this process, and counted by itself: those that died with another one's fault are done, and
only the one whose fault it is gathers tries. A beginning that ends in any other way, an error or a stop among them,
is taken back and is no try.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Self
from uuid import uuid4

from shared.errors import Deadly, Fatal, Transient
from shared.ports.streams import ConsumedRecord, RecordStream

_SUSPICIOUS = 2  # unfinished beginnings; one may be a machine that was switched off
_Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Tries:
    """How often work has begun at the record with the offset `first`, and has not ended.

    `together`: with others behind it, up to the offset `last`. `alone`: with nothing else at work. `by`: the process
    that began last.
    """

    first: int = -1
    last: int = -1
    together: int = 0
    alone: int = 0
    by: str = ""

    @classmethod
    def read(cls, text: str) -> Self:
        """Return what a note says; nothing where it is no note of ours."""
        with suppress(ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            found = json.loads(text)
            numbers = {name: int(found[name]) for name in ("first", "last", "together", "alone") if name in found}
            return cls(**numbers, by=str(found.get("by", "")))
        return cls()

    @property
    def is_suspicious(self) -> bool:
        """Say whether what was begun has to be begun alone."""
        return self.together >= _SUSPICIOUS or self.alone > 0

    def text(self) -> str:
        """Return the note."""
        return json.dumps(asdict(self), separators=(",", ":"))

    def without(self, process: str) -> Self:
        """Return what is left where this process is alive: what it began last is no try then."""
        if self.by != process:
            return self
        if self.alone:
            return replace(self, alone=self.alone - 1)
        return replace(self, together=max(0, self.together - 1))


Found = Callable[[ConsumedRecord, Tries], None]
"""Is told of a record with which somebody began, alone or as the first of several, and did not come back."""


class Caution:
    """What one process knows of unfinished beginnings in its partitions, and says of its own."""

    def __init__(self, stream: RecordStream, most: int, found: Found) -> None:
        """`most`: tries alone, after which a record is begun no more."""
        self._stream = stream
        self._most = most
        self._tell = found
        self._process = uuid4().hex[:12]
        self._seen: dict[_Place, str] = {}  # the notes that were read or written here
        self._found: dict[_Place, Tries] = {}  # of suspect partitions: until the last record that was begun is done
        self._former: dict[_Place, str] = {}  # what stood before the notes that stand for the work at hand
        self._begun: frozenset[str] = frozenset()  # places of records that were begun ahead

    def choose(self, records: Sequence[ConsumedRecord]) -> tuple[Sequence[ConsumedRecord], Sequence[ConsumedRecord]]:
        """Return the records to work on now, and the others: a suspect one alone, when nothing else is at work."""
        self._look(records)
        begun, self._begun = self._begun, frozenset()
        suspect = next((record for record in records if record.topic_partition in self._found), None)
        if suspect is None:
            return records, ()
        # What was begun, and is suspect by now, has been with others meanwhile.
        if now := [
            record for record in records if record.record_id in begun and record.topic_partition not in self._found
        ]:
            return now, [record for record in records if record not in now]
        return [suspect], [record for record in records if record is not suspect]

    def condemned(self, records: Sequence[ConsumedRecord]) -> Deadly | None:
        """Return why a record is begun no more, if it is one of these, alone."""
        tries = self._tries(records[0])
        if tries is None or tries.alone < self._most:
            return None
        return Deadly(
            f"the process at work on it was ended {tries.alone} times without a word, while it did nothing else;"
            " most often that is for lack of memory"
        )

    def begin(self, records: Sequence[ConsumedRecord]) -> bool:
        """Note that work on these records begins, where it has to be; say whether it had to. Raises `Transient`."""
        notes = self._together(records) if self._tries(records[0]) is None else self._alone(records[0])
        if not notes:
            return False
        new = {place: text for place, text in notes.items() if self._stream.noted(*place) != text}
        self._former |= {place: self._stream.noted(*place) or "" for place in new}
        if new:
            self._write(new)
        return True

    def plain(self, records: Sequence[ConsumedRecord]) -> Sequence[ConsumedRecord]:
        """Return those of these records that may be begun ahead, beside others and without a note."""
        self._look(records)
        found = [
            record
            for record in records
            if record.topic_partition not in self._found and self._stream.noted(*record.topic_partition) is None
        ]
        self._begun = frozenset(record.record_id for record in found)
        return found

    def done(self, records: Sequence[ConsumedRecord]) -> None:
        """Take note that these records are committed."""
        self._former = {}
        for record in records:
            if (tries := self._found.get(record.topic_partition)) and record.offset >= tries.last:
                del self._found[record.topic_partition]

    def failed(self) -> None:
        """Take back what was noted of the work at hand: it has ended by an error, which is no try."""
        self._begun = frozenset()
        ours = {place: text for place, text in self._former.items() if self._is_ours(self._stream.noted(*place))}
        if not ours:
            return
        # Where Kafka is away they stay: then whoever finds them counts one beginning too many.
        with suppress(Transient, Fatal):
            self._write(ours)
            self._former = {}

    def _is_ours(self, text: str | None) -> bool:
        return text is not None and Tries.read(text).by == self._process

    def _look(self, records: Sequence[ConsumedRecord]) -> None:
        """Read the notes of partitions that have just come."""
        for place, record in _firsts(records).items():
            text = self._stream.noted(*place)
            if text is None or text == self._seen.get(place):
                continue
            self._seen[place] = text
            self._found.pop(place, None)
            tries = Tries.read(text).without(self._process)
            if tries.first == record.offset and (tries.together or tries.alone):
                self._tell(record, tries)
                if tries.is_suspicious:
                    self._found[place] = tries

    def _tries(self, record: ConsumedRecord) -> Tries | None:
        """Return what is known of this very record, if it has to be begun alone."""
        found = self._found.get(record.topic_partition)
        if found is None or found.first == record.offset:
            return found
        return Tries(record.offset, found.last)

    def _alone(self, record: ConsumedRecord) -> Mapping[_Place, str]:
        tries = self._tries(record) or Tries(record.offset)
        return {record.topic_partition: replace(tries, alone=tries.alone + 1, by=self._process).text()}

    def _together(self, records: Sequence[ConsumedRecord]) -> Mapping[_Place, str]:
        """Return the notes of those partitions in which nothing was committed since they came."""
        notes = {}
        for place, record in _firsts(records).items():
            text = self._stream.noted(*place)
            if text is None:
                continue
            before = Tries.read(text).without(self._process)
            if before.first != record.offset:
                before = Tries(record.offset)
            last = max(before.last, *(other.offset for other in records if other.topic_partition == place))
            notes[place] = replace(before, last=last, together=before.together + 1, by=self._process).text()
        return notes

    def _write(self, notes: Mapping[_Place, str]) -> None:
        self._stream.note(notes)
        self._seen.update(notes)


def _firsts(records: Sequence[ConsumedRecord]) -> dict[_Place, ConsumedRecord]:
    """Return the first of these records in each partition."""
    found: dict[_Place, ConsumedRecord] = {}
    for record in records:
        found.setdefault(record.topic_partition, record)
    return found
