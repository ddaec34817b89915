"""A processor of functions, for tests of the worker."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared.errors import Deadly
from shared.ports.streams import ConsumedRecord, ProducedRecord

Process = Callable[[Sequence[ConsumedRecord]], Sequence[ProducedRecord]]


def as_dead_letter(_record: ConsumedRecord, reason: Deadly) -> Sequence[ProducedRecord]:
    raise reason


@dataclass(frozen=True, kw_only=True)
class Functions:
    """A `Processor` that does what these functions do."""

    process: Process
    start: Callable[[], None] = lambda: None
    prefetch: Callable[[Sequence[ConsumedRecord]], None] = lambda _: None
    prefetches: bool = False
    committed: Callable[[Sequence[ConsumedRecord]], None] = lambda _: None
    idle: Callable[[], None] = lambda: None
    give_up: Callable[[ConsumedRecord, Deadly], Sequence[ProducedRecord]] = as_dead_letter
