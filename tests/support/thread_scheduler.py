"""Threads of which one runs at a time, in an order that a test decides.

A named thread is an actor; what it does between two stops is a step.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from itertools import count
from threading import Condition, Thread, current_thread
from typing import Any

_TIMEOUT = 60.0  # seconds that one step may take


class ThreadScheduler:
    """Every actor stops before each of its steps until it is chosen."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._waiting: set[str] = set()
        self._chosen: str | None = None
        self._threads: dict[str, Thread] = {}
        self.errors: list[BaseException] = []

    def start(self, name: str, work: Callable[[], None]) -> None:
        """Start an actor; it stops before its first step."""

        def run() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001  raised again by `step`
                self.errors.append(error)
            finally:
                with self._changed:
                    del self._threads[name]
                    self._changed.notify_all()

        thread = Thread(target=run, name=name, daemon=True)
        with self._changed:
            self._threads[name] = thread
        thread.start()

    def step(self, choice: int) -> bool:
        """Wait until all actors have stopped, let one of them take its step, and return whether any actor is left.

        `choice` selects the actor, modulo their number. Raises the first error that an actor raised.
        """
        with self._changed:
            assert self._changed.wait_for(
                lambda: self._chosen is None and self._waiting == set(self._threads), _TIMEOUT
            )
            if self.errors:
                raise self.errors[0]
            names = sorted(self._waiting)
            if not names:
                return False
            self._chosen = names[choice % len(names)]
            self._changed.notify_all()
        return True

    def is_alive(self, name: str) -> bool:
        """Return whether an actor has not ended yet."""
        with self._changed:
            return name in self._threads

    def stop(self) -> None:
        """Make the actor that calls this wait until it is chosen."""
        name = current_thread().name
        with self._changed:
            self._waiting.add(name)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._chosen == name)
            self._waiting.discard(name)
            self._chosen = None


@dataclass
class ScheduledCalls:
    """Passes calls on to `inner`; each method named in `moves` is a step of the calling actor."""

    inner: Any
    turns: ThreadScheduler
    moves: Sequence[str]

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if name not in self.moves:
            return found

        def move(*arguments: Any) -> Any:
            self.turns.stop()
            return found(*arguments)

        return move


class ScheduledFuture(Future[Any]):
    """The future of a task. Each wait for its result is a step of the waiting actor."""

    def __init__(self, turns: ThreadScheduler) -> None:
        super().__init__()
        self._turns = turns

    def result(self, timeout: float | None = None) -> Any:
        while not self.done():
            self._turns.stop()
        return super().result(timeout)


class ScheduledExecutor(Executor):
    """The executor of an actor: each task is an actor of its own, whose first step begins the task."""

    def __init__(self, name: str, turns: ThreadScheduler) -> None:
        self._name = name
        self._turns = turns
        self._numbers = count()

    def submit(self, task: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        future = ScheduledFuture(self._turns)

        def work() -> None:
            self._turns.stop()
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = task(*arguments, **named)
            except BaseException as error:  # noqa: BLE001  raised where the result is read
                future.set_exception(error)
            else:
                future.set_result(result)

        # The name sorts before those of services: the last steps are taken in the order of names, and a service waits
        # for its tasks.
        self._turns.start(f"{next(self._numbers)} of {self._name}", work)
        return future
