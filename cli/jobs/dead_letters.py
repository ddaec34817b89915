"""The work of `facestream dead-letters`: list, show, replay and drop messages that could not be processed.

A record of the topic is either a dead letter (the bytes and headers of the message, and `dead_letter_...` headers about
its origin and error) or the mark that an earlier letter was replayed or dropped.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from more_itertools import chunked
from rich.table import Column, Table

from cli.output.safe_text import beginning, without_vectors
from cli.output.tables import table_of
from cli.output.terminal import printable
from shared.adapters.kafka.admin import KafkaAdmin
from shared.adapters.kafka.reader import KafkaReader
from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.writer import KafkaWriter
from shared.domain.topics import DEAD_LETTERS
from shared.errors import InvalidInput
from shared.ports.streams import ConsumedRecord, ProducedRecord
from shared.stream.dead_letters import LEFT_OUT

_ABOUT = "dead_letter_"
_MARK = _ABOUT + "handled"
_BLOCK = 100  # letters in one transaction; each has 8 MiB at most
_ORIGIN = ("topic", "partition", "offset")


class Handled(StrEnum):
    """How a letter was handled; the value of its mark."""

    REPLAYED = "replayed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter without its value.

    `about`: its headers without their prefix: topic, partition, offset, service, error, message, time.
    """

    partition: int
    offset: int
    about: Mapping[str, str]

    @property
    def id(self) -> str:
        """The id of the letter: `partition@offset`."""
        return f"{self.partition}@{self.offset}"

    @property
    def origin(self) -> str:
        """The record id of the message: `topic/partition@offset`."""
        return "{}/{}@{}".format(*(self.about.get(name, "?") for name in _ORIGIN))


def open_letters(settings: KafkaSettings) -> Sequence[DeadLetter]:
    """Return the open letters, the oldest first; raises `Fatal`, `Transient`."""
    with KafkaReader(settings, DEAD_LETTERS.name) as reader:
        return unmarked(reader.stored())


def unmarked(records: Iterable[ConsumedRecord]) -> Sequence[DeadLetter]:
    """Return the letters that have no mark, without their values, which may be many."""
    found: dict[str, DeadLetter] = {}
    marked = set()
    for record in records:
        if _MARK in record.headers:
            marked.add((record.key or b"").decode())
        else:
            letter = DeadLetter(record.partition, record.offset, _about(record))
            found[letter.id] = letter
    return [letter for letter in found.values() if letter.id not in marked]


def table(letters: Iterable[DeadLetter]) -> Table:
    """Return letters as a table."""
    columns = (
        *(Column(name, no_wrap=True, overflow="fold") for name in ("id", "time", "service", "from")),
        Column("error", overflow="fold"),
    )
    return table_of(columns, (list(map(without_vectors, _row(letter))) for letter in letters))


def _row(letter: DeadLetter) -> tuple[str, ...]:
    error = f"{letter.about.get('error', '?')}: {letter.about.get('message', '')}"
    return letter.id, letter.about.get("time", "?"), letter.about.get("service", "?"), letter.origin, error


def record_of(settings: KafkaSettings, letter_id: str) -> ConsumedRecord:
    """Return the record of a letter, open or not; raises `InvalidInput` if there is no letter of this id."""
    with KafkaReader(settings, DEAD_LETTERS.name) as reader:
        return _at(reader, letter_id)


def described(record: ConsumedRecord) -> Iterator[str]:
    """Yield lines about a letter: its id, its headers, its key and the beginning of its value."""
    yield f"id: {record.partition}@{record.offset}"
    for name, value in record.headers.items():
        yield f"{printable(name)}: {beginning(value, 500)}"
    yield f"key: {beginning(record.key or b'', 500)}"
    if record.value is None:
        yield "value: none (a tombstone)"
    else:
        yield f"value, {len(record.value)} bytes:"
        yield beginning(record.value, 4000)


def replay(settings: KafkaSettings, letter_id: str | None) -> int:
    """Write one open letter, or all of them (None), back to their topics, and mark them; return their number.

    A message and its mark are written in one transaction: if the command is killed, or started twice at once, no letter
    is replayed twice. Raises `InvalidInput` if there is no such open letter, or if its message is not in it.
    """
    return _handle(settings, Handled.REPLAYED, letter_id)


def drop(settings: KafkaSettings, letter_id: str | None) -> int:
    """Mark one open letter, or all of them (None), as dropped; return their number. Raises as `replay` does."""
    return _handle(settings, Handled.DROPPED, letter_id)


def _handle(settings: KafkaSettings, handled: Handled, letter_id: str | None) -> int:
    # The writer before the list: it ends the transaction of another process, so that the list is complete.
    writer = KafkaWriter(settings, "dead-letters")
    wanted = open_letters(settings)
    if letter_id is not None:
        wanted = [letter for letter in wanted if letter.id == letter_id]
        if not wanted:
            msg = f"{letter_id}: expected an open letter, as `facestream dead-letters list` prints it; found none"
            raise InvalidInput(msg)
    with KafkaReader(settings, DEAD_LETTERS.name) as reader:
        for block in chunked(wanted, _BLOCK):
            marks = [_mark(letter, handled) for letter in block]
            if handled is Handled.REPLAYED:
                originals, partitions = zip(*(original(_at(reader, letter.id)) for letter in block), strict=True)
                writer.write([*originals, *marks], [*partitions, *(letter.partition for letter in block)])
            else:
                writer.write(marks, [letter.partition for letter in block])
    _trim(settings)
    return len(wanted)


def original(letter: ConsumedRecord) -> tuple[ProducedRecord, int]:
    """Return the message that a letter contains, and the partition that it came from.

    Raises `InvalidInput` if the letter lacks the message or its origin.
    """
    about = _about(letter)
    if LEFT_OUT in letter.headers:
        name = f"{letter.partition}@{letter.offset}"
        msg = f"{name}: expected a letter with its message, found one without, which was too large"
        msg += f" ({about['left_out']}); it is at {about.get('topic')}/{about.get('partition')}@{about.get('offset')}"
        msg += f" as long as that topic keeps it; drop the letter with `facestream dead-letters drop --id {name}`"
        raise InvalidInput(msg)
    topic, partition = about.get("topic"), about.get("partition", "")
    if not topic or not partition.isdecimal():
        msg = f"{letter.partition}@{letter.offset}: expected headers that name the origin of the message, found none"
        raise InvalidInput(msg)
    headers = {name: value for name, value in letter.headers.items() if not name.startswith(_ABOUT)}
    return ProducedRecord(topic, letter.key or b"", letter.value, headers), int(partition)


def _trim(settings: KafkaSettings) -> None:
    """Delete the records before the first open letter of each partition."""
    first_open: dict[int, int] = {}
    for letter in open_letters(settings):
        first_open.setdefault(letter.partition, letter.offset)
    admin = KafkaAdmin(settings)
    state = admin.topic(DEAD_LETTERS.name)
    partitions = range(state.partitions if state else 0)
    admin.remove_records(DEAD_LETTERS.name, {number: first_open.get(number, -1) for number in partitions})


def _mark(letter: DeadLetter, handled: Handled) -> ProducedRecord:
    return ProducedRecord(DEAD_LETTERS.name, letter.id.encode(), None, {_MARK: handled.value.encode()})


def _about(record: ConsumedRecord) -> dict[str, str]:
    return {
        name.removeprefix(_ABOUT): value.decode("utf-8", "replace")
        for name, value in record.headers.items()
        if name.startswith(_ABOUT)
    }


def _at(reader: KafkaReader, letter_id: str) -> ConsumedRecord:
    partition, _, offset = letter_id.partition("@")
    if not (partition.isdecimal() and offset.isdecimal()):
        msg = f"{letter_id}: expected partition@offset, such as 0@12"
        raise InvalidInput(msg)
    found = reader.first({int(partition): int(offset)}).get(int(partition))
    if found is None or found.offset != int(offset) or _MARK in found.headers:
        msg = f"{letter_id}: expected a letter that `facestream dead-letters list` prints; there is none of this id"
        raise InvalidInput(msg)
    return found
