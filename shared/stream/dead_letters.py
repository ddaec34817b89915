"""Dead letters: records that a service can never process, each with the reason."""

import time
from collections import deque
from datetime import UTC, datetime

from shared.domain.topics import DEAD_LETTERS, MAX_RECORD_BYTES
from shared.errors import Fatal, first_line
from shared.ports.streams import ConsumedRecord, ProducedRecord

LEFT_OUT = "dead_letter_left_out"
"""The header of a dead letter without the original value. The value is in the original topic until that removes it."""

_OVERHEAD = 1024  # bytes; more than a record has besides its key, value and headers
_KEY = 500  # bytes of the key that are kept of a record without its value
_MINUTE = 60.0  # seconds


def dead_letter(service: str, record: ConsumedRecord, error: Exception) -> ProducedRecord:
    """Return a dead letter: the original key, value and headers, and headers with the record's origin and the reason.

    If it would be larger than a record may be, the letter has no value and the beginning of the key. It could not be
    written otherwise, and the service would consume the record again for ever.
    """
    origin = {
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "service": service,
        "error": type(error).__name__,
        "message": first_line(error),
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    added = {f"dead_letter_{name}": text.encode(errors="backslashreplace") for name, text in origin.items()}
    key, headers = record.key or b"", {**record.headers, **added}
    size = len(key) + len(record.value or b"") + sum(len(name) + len(value) for name, value in headers.items())
    if size > MAX_RECORD_BYTES - _OVERHEAD:  # the original topic may accept more, above all compressed
        left_out = f"{size:,} bytes: expected at most {MAX_RECORD_BYTES - _OVERHEAD:,} with these headers"
        return ProducedRecord(DEAD_LETTERS.name, key[:_KEY], None, {**added, LEFT_OUT: left_out.encode()})
    return ProducedRecord(DEAD_LETTERS.name, key, record.value, headers)


class DeadLetterRate:
    """Counts the dead letters of the last minute."""

    def __init__(self, limit: int) -> None:
        """`limit`: dead letters that are allowed within a minute."""
        self._limit = limit
        self._times: deque[float] = deque()  # of the recent dead letters, monotonic, in seconds

    def add(self, count: int) -> None:
        """Count dead letters; raises `Fatal` if there are more than `limit` within a minute."""
        now = time.monotonic()
        self._times.extend([now] * count)
        while self._times and self._times[0] < now - _MINUTE:
            self._times.popleft()
        if len(self._times) > self._limit:
            msg = (
                f"{len(self._times)} dead letters within a minute, at most {self._limit} allowed;"
                " look at them with `facestream dead-letters list`"
            )
            raise Fatal(msg)
