"""Dead letters: records that a service cannot process, and why."""

from datetime import UTC, datetime

from shared.domain.topics import DEAD_LETTERS, MAX_RECORD_BYTES
from shared.errors import first_line
from shared.ports.streams import ConsumedRecord, ProducedRecord

LEFT_OUT = "dead_letter_left_out"
"""The header of a dead letter without its bytes, which are where they came from as long as that topic keeps them."""

_OVERHEAD = 1024  # bytes of a record that are neither key nor value nor header, and more
_KEY = 500  # bytes of the key that are kept of such a record


def dead_letter(service: str, record: ConsumedRecord, error: Exception) -> ProducedRecord:
    """Return the original bytes, with headers that say where they came from and why they are here.

    Without the bytes where they are too many for a letter, which could not be written and would come again for ever.
    """
    about = {
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "service": service,
        "error": type(error).__name__,
        "message": first_line(error),
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    said = {f"dead_letter_{name}": text.encode(errors="backslashreplace") for name, text in about.items()}
    key, headers = record.key or b"", {**record.headers, **said}
    size = len(key) + len(record.value or b"") + sum(len(name) + len(value) for name, value in headers.items())
    if size > MAX_RECORD_BYTES - _OVERHEAD:  # the topic it comes from may take more, packed above all
        left_out = f"{size:,} bytes: expected at most {MAX_RECORD_BYTES - _OVERHEAD:,} with these headers"
        return ProducedRecord(DEAD_LETTERS.name, key[:_KEY], None, {**said, LEFT_OUT: left_out.encode()})
    return ProducedRecord(DEAD_LETTERS.name, key, record.value, headers)
