"""The processor: what a streaming service does with its records.

The worker (`worker.py`) calls it, always from one thread:

    start                          once before the first record, and again when the result of a commit is unknown
    prefetch -> process -> [commit] -> committed          for each batch
    idle                           when there was nothing to consume

Except for `prefetch` and `idle`, the worker repeats a call that raises `Transient` until it succeeds.
"""

from collections.abc import Sequence
from typing import ClassVar, Protocol

from shared.errors import Deadly
from shared.ports.streams import ConsumedRecord, ProducedRecord


class Processor(Protocol):
    """The work of one service. Calling any method again with the same records must have the same result."""

    @property
    def prefetches(self) -> bool:
        """Whether `prefetch` does anything. Only then, the worker consumes the next batch before it processes one."""
        ...

    def start(self) -> None:
        """Check that all dependencies answer, and finish the work that a killed process left; may block.

        Raises `Transient` and `Fatal`.
        """
        ...

    def prefetch(self, records: Sequence[ConsumedRecord]) -> None:
        """Begin background work for `records`, and drop the work that was begun for all other records.

        Called with every record now in memory: this batch and the next one. Must not block. What it raises is ignored:
        the same record fails again in `process`, which processes it alone then.
        """
        ...

    def process(self, records: Sequence[ConsumedRecord]) -> Sequence[ProducedRecord]:
        """Return the output records of a batch; may block.

        Raises `Transient` if the batch is to be tried again, `Poison` if a record can never be processed, `Fatal` if
        the process must end. Any other exception counts as `Poison`.
        """
        ...

    def committed(self, records: Sequence[ConsumedRecord]) -> None:
        """Do what may only be done after the commit of a batch; may block. Raises `Transient` and `Fatal`."""
        ...

    def idle(self) -> None:
        """Use the time while there is nothing to consume; may block. Raises `Transient` and `Fatal`."""
        ...

    def give_up(self, record: ConsumedRecord, reason: Deadly) -> Sequence[ProducedRecord]:
        """Return the output records of a record that ended its process each time it was processed.

        Must do none of the work that `process` does. Raises `Transient` and `Fatal`; with any other exception, the
        record becomes a dead letter.
        """
        ...


class BaseProcessor:
    """A processor that prefetches nothing, and does nothing before, between and after its batches.

    A record that is given up becomes a dead letter. A subclass adds `process`.
    """

    __slots__ = ()

    prefetches: ClassVar[bool] = False

    def start(self) -> None:
        """Do nothing."""

    def prefetch(self, records: Sequence[ConsumedRecord]) -> None:
        """Do nothing."""

    def committed(self, records: Sequence[ConsumedRecord]) -> None:
        """Do nothing."""

    def idle(self) -> None:
        """Do nothing."""

    def give_up(self, record: ConsumedRecord, reason: Deadly) -> Sequence[ProducedRecord]:  # noqa: ARG002  of the protocol
        """Raise `reason`, so that the record becomes a dead letter."""
        raise reason
