"""The phases of the job: how long each took, and a place to stop between them."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Phases:
    """Times phases. `begins` is called with the name of each and may raise, to stop before it."""

    def __init__(self, begins: Callable[[str], None] = lambda _: None) -> None:
        self._begins = begins
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Be in a phase."""
        self._begins(name)
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started
