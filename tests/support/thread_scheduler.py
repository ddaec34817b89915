"""Actors in threads of which one moves at a time, in an order that a test decides."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from itertools import count
from threading import Condition, Thread, current_thread
from typing import Any

_PATIENCE = 60.0  # seconds that one move may take


class Turns:
    """Every actor stops before each of its moves until it is chosen."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._waiting: set[str] = set()
        self._chosen: str | None = None
        self._threads: dict[str, Thread] = {}
        self.errors: list[BaseException] = []

    def start(self, name: str, work: Callable[[], None]) -> None:
        """Let an actor begin; it stops before its first move."""

        def run() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001  told by `go_on`
                self.errors.append(error)
            finally:
                with self._changed:
                    del self._threads[name]
                    self._changed.notify_all()

        thread = Thread(target=run, name=name, daemon=True)
        with self._changed:
            self._threads[name] = thread
        thread.start()

    def go_on(self, choice: int) -> bool:
        """Let one of the actors make its move, once all have stopped; say whether any is left."""
        with self._changed:
            assert self._changed.wait_for(
                lambda: self._chosen is None and self._waiting == set(self._threads), _PATIENCE
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
        """Say whether an actor has more to do."""
        with self._changed:
            return name in self._threads

    def stop(self) -> None:
        """Let the actor that calls this wait for its next move."""
        name = current_thread().name
        with self._changed:
            self._waiting.add(name)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._chosen == name)
            self._waiting.discard(name)
            self._chosen = None


@dataclass
class InTurns:
    """Passes calls on; each of those named is a move."""

    inner: Any
    turns: Turns
    moves: Sequence[str]

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if name not in self.moves:
            return found

        def move(*arguments: Any) -> Any:
            self.turns.stop()
            return found(*arguments)

        return move


class Awaited(Future[Any]):
    """What a task gives. To ask for it before it is there is a move, after which one may have to ask again."""

    def __init__(self, turns: Turns) -> None:
        super().__init__()
        self._turns = turns

    def result(self, timeout: float | None = None) -> Any:
        while not self.done():
            self._turns.stop()
        return super().result(timeout)


class TurnsExecutor(Executor):
    """Threads of an actor: each task is an actor of its own, whose first move is to begin."""

    def __init__(self, name: str, turns: Turns) -> None:
        self._name = name
        self._turns = turns
        self._numbers = count()

    def submit(self, task: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        future = Awaited(self._turns)

        def work() -> None:
            self._turns.stop()
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = task(*arguments, **named)
            except BaseException as error:  # noqa: BLE001  told to whoever asks
                future.set_exception(error)
            else:
                future.set_result(result)

        # Before the names of services, in whose order actors move in the end: nobody waits for what never moves.
        self._turns.start(f"{next(self._numbers)} of {self._name}", work)
        return future
