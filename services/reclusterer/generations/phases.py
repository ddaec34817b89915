"""The phases of a reclustering: how long each took, and where the process may stop."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Phases:
    """Measures the seconds of each phase. `begins` is called with a phase's name before it, and may raise to stop."""

    def __init__(self, begins: Callable[[str], object] = lambda _: None) -> None:
        self._begins = begins
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Run the context as a phase; the seconds of phases with the same name are added up."""
        self._begins(name)
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started
