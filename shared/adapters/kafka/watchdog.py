"""A watchdog for calls of Kafka's client that do not return in spite of their timeout."""

import faulthandler
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread

LAST_WORDS = "a call of the client does not return; the process ends"
_STANDARD_ERROR = 2  # the file descriptor, even if `sys.stderr` was replaced
_LONGEST = 30  # seconds; the longest timeout of a call is 10


class Watch:
    """Ends this process, with status 1, if a call does not return.

    A client that has lost all brokers in a transaction (see `Listener.lost`) waits for ever in C code, which no
    exception interrupts. Only a new process helps, which also aborts the open transaction. Seconds are counted one by
    one, so the time during which the process was suspended does not count. Before the end, the stacks of all threads
    are written to standard error: files, lines and functions, no values.
    """

    def __init__(self, longest: int = _LONGEST) -> None:
        self._longest = longest
        self._left: int | None = None
        self._lock = Lock()
        self._closed = Event()
        Thread(target=self._count, name="kafka watch", daemon=True).start()

    @contextmanager
    def over(self) -> Iterator[None]:
        """Watch over a call."""
        self._set(self._longest)
        try:
            yield
        finally:
            self._set(None)

    def close(self) -> None:
        """Stop watching."""
        self._closed.set()

    def _set(self, left: int | None) -> None:
        with self._lock:
            self._left = left

    def _count(self) -> None:
        while not self._closed.wait(1):
            with self._lock:
                if self._left is None:
                    continue
                self._left -= 1
                if self._left > 0:
                    continue
            faulthandler.dump_traceback(_STANDARD_ERROR)
            logging.getLogger("kafka").critical(LAST_WORDS)
            os._exit(1)
