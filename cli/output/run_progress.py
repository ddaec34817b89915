"""Progress of `facestream run` in the terminal."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class _Rate(ProgressColumn):
    """Items per second, averaged over the last half minute."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "", style="cyan")


class RunProgress:
    """A context manager that shows a bar of photographs with rate and time left, then a line for each stage."""

    def __init__(self, console: Console, photos: int) -> None:
        self._faces = 0
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._photos = self._bars.add_task("photographs", total=photos)
        self._stage: TaskID | None = None

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._end_stage()
        self._bars.stop()

    def advance(self, photos: int, faces: int) -> None:
        """Add photographs that were processed and stored, and the number of their accepted faces."""
        self._faces += faces
        self._bars.update(self._photos, advance=photos, description=f"photographs ({self._faces} faces)")

    def stage(self, name: str) -> None:
        """Begin a stage that has no countable parts; the stage before it is complete."""
        self._end_stage()
        self._stage = self._bars.add_task(name, total=None)

    def _end_stage(self) -> None:
        if self._stage is not None:
            self._bars.update(self._stage, total=1, completed=1)
