"""Dead letters: the original bytes, headers that say where they came from, and marks of those that were handled."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from more_itertools import chunked
from rich.table import Table

from cli.output.safe_text import beginning, without_vectors
from cli.output.terminal import cell, printable
from shared.adapters.kafka.admin import KafkaAdmin
from shared.adapters.kafka.reader import KafkaReader
from shared.adapters.kafka.stream import KafkaSettings
from shared.adapters.kafka.writer import KafkaWriter
from shared.domain.topics import DEAD_LETTERS
from shared.errors import InvalidInput
from shared.ports.streams import ConsumedRecord, ProducedRecord
from shared.stream.dead_letters import LEFT_OUT

_ABOUT = "dead_letter_"
_MARK = _ABOUT + "handled"
_BLOCK = 100  # letters in one transaction: of 8 MiB each at the most
_ORIGIN = ("topic", "partition", "offset")


class Handled(StrEnum):
    """What became of a letter."""

    REPLAYED = "replayed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter without its value. `about`: topic, partition, offset, service, error, message, time."""

    partition: int
    offset: int
    about: Mapping[str, str]

    @property
    def id(self) -> str:
        """The name of the letter: its place."""
        return f"{self.partition}@{self.offset}"

    @property
    def origin(self) -> str:
        """Where the message stood: `topic/partition@offset`."""
        return "{}/{}@{}".format(*(self.about.get(name, "?") for name in _ORIGIN))


def letters(settings: KafkaSettings) -> Sequence[Letter]:
    """Return the open letters, the oldest first; raises `Fatal`, `Transient`."""
    with KafkaReader(settings, DEAD_LETTERS.name) as reader:
        return open_letters(reader.stored())


def open_letters(records: Iterable[ConsumedRecord]) -> Sequence[Letter]:
    """Return the letters that have no mark. Values are not kept: there may be many."""
    found: dict[str, Letter] = {}
    marked = set()
    for record in records:
        if _MARK in record.headers:
            marked.add((record.key or b"").decode())
        else:
            letter = Letter(record.partition, record.offset, _about(record))
            found[letter.id] = letter
    return [letter for letter in found.values() if letter.id not in marked]


def table(found: Iterable[Letter]) -> Table:
    """Return letters as a table."""
    lines = Table(box=None, pad_edge=False)
    for name in ("id", "time", "service", "from", "error"):
        lines.add_column(name, no_wrap=name != "error", overflow="fold")
    for letter in found:
        error = f"{letter.about.get('error', '?')}: {letter.about.get('message', '')}"
        cells = (letter.id, letter.about.get("time", "?"), letter.about.get("service", "?"), letter.origin, error)
        lines.add_row(*(cell(without_vectors(text)) for text in cells))
    return lines


def one(settings: KafkaSettings, letter_id: str) -> ConsumedRecord:
    """Return a letter, open or not; raises `InvalidInput` where there is none of that name."""
    with KafkaReader(settings, DEAD_LETTERS.name) as reader:
        return _at(reader, letter_id)


def described(record: ConsumedRecord) -> Iterator[str]:
    """Yield lines that describe a letter: its place, its headers, its key and the beginning of its value."""
    yield f"id: {record.partition}@{record.offset}"
    for name, value in record.headers.items():
        yield f"{printable(name)}: {beginning(value, 500)}"
    yield f"key: {beginning(record.key or b'', 500)}"
    if record.value is None:
        yield "value: none (a tombstone)"
    else:
        yield f"value, {len(record.value)} bytes:"
        yield beginning(record.value, 4000)


def handle(settings: KafkaSettings, handled: Handled, letter_id: str | None) -> int:
    """Replay or drop one letter, or all that are open (None); return how many. Raises `InvalidInput`.

    What is written back and the mark that says so are one transaction: a command that dies half-way, or that two
    people start at once, replays no letter twice.
    """
    # The writer before the list: it ends what another one has begun, so that the list shows all that was done.
    writer = KafkaWriter(settings, "dead-letters")
    wanted = letters(settings)
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
    """Return the message that a letter was, and its partition; raises `InvalidInput` where the letter does not say."""
    about = _about(letter)
    if LEFT_OUT in letter.headers:
        name = f"{letter.partition}@{letter.offset}"
        msg = f"{name}: expected a letter with its message, found one without, which was too large"
        msg += f" ({about['left_out']}); it is at {about.get('topic')}/{about.get('partition')}@{about.get('offset')}"
        msg += f" as long as that topic keeps it; drop the letter with `facestream dead-letters drop --id {name}`"
        raise InvalidInput(msg)
    topic, partition = about.get("topic"), about.get("partition", "")
    if not topic or not partition.isdecimal():
        msg = f"{letter.partition}@{letter.offset}: expected headers that say where it came from, found none"
        raise InvalidInput(msg)
    headers = {name: value for name, value in letter.headers.items() if not name.startswith(_ABOUT)}
    return ProducedRecord(topic, letter.key or b"", letter.value, headers), int(partition)


def _trim(settings: KafkaSettings) -> None:
    """Delete what stands before the first open letter of a partition."""
    left: dict[int, int] = {}
    for letter in letters(settings):
        left.setdefault(letter.partition, letter.offset)
    admin = KafkaAdmin(settings)
    state = admin.topic(DEAD_LETTERS.name)
    partitions = range(state.partitions if state else 0)
    admin.remove_records(DEAD_LETTERS.name, {number: left.get(number, -1) for number in partitions})


def _mark(letter: Letter, handled: Handled) -> ProducedRecord:
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
    found = reader.first(int(partition), int(offset))
    if found is None or found.offset != int(offset) or _MARK in found.headers:
        msg = f"{letter_id}: expected a letter that `facestream dead-letters list` prints; there is none at that place"
        raise InvalidInput(msg)
    return found
