"""Actors in threads of which one moves at a time, in an order that a test decides."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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

    def _stop(self) -> None:
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
            self.turns._stop()
            return found(*arguments)

        return move
