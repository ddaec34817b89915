"""The observer of a worker: what the loop reports, for logs and metrics."""

from collections.abc import Sequence
from typing import Protocol

from shared.errors import Deadly, Transient
from shared.ports.streams import ConsumedRecord, ProducedRecord
from shared.stream.crash_tries import Tries


class Observer(Protocol):
    """Gets the reports of a worker. No method may raise or block."""

    def started(self) -> None:
        """Report that the processor has started, so all dependencies have answered. May be called again."""
        ...

    def batch_done(
        self, consumed: Sequence[ConsumedRecord], produced: Sequence[ProducedRecord], seconds: float
    ) -> None:
        """Report that a batch is committed, `seconds` after its processing began."""
        ...

    def retrying(self, error: Transient, attempt: int, pause: float) -> None:
        """Report that a batch failed with a transient error, and will be tried again after `pause` seconds."""
        ...

    def dead_lettered(self, record: ConsumedRecord, error: Exception) -> None:
        """Report that a record can never be processed, and is now a dead letter."""
        ...

    def unfinished(self, record: ConsumedRecord, tries: Tries) -> None:
        """Report that an earlier process ended while it processed this record, alone or as the first of several."""
        ...

    def given_up(self, record: ConsumedRecord, reason: Deadly) -> None:
        """Report that a record ended its process too often, and is not processed any more."""
        ...

    def looped(self) -> None:
        """Report that the loop is alive."""
        ...
