"""Progress of a command that works on many files: a bar, and a line for each file that could not be used."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli.output.terminal import printable
from shared.errors import Fatal

_Item = TypeVar("_Item")


class FileProgress:
    """Shows progress on the error stream and counts the files that could not be used.

    Standard output is left to the result of the command.
    """

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self.refusals = 0

    def refused(self, name: str, reason: str) -> None:
        """Print a line with the name of a file that could not be used and the reason, and count the file."""
        self.refusals += 1
        self._console.print(printable(f"{name}: {reason}"), markup=False)

    def note(self, line: str) -> None:
        """Print a line that is not about a file that could not be used."""
        self._console.print(printable(line), markup=False)

    def over(self, items: Iterable[_Item], total: int, what: str) -> Iterator[_Item]:
        """Yield the items, and show a bar if the error stream is a terminal."""
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        with Progress(*columns, console=self._console, transient=True, disable=not self._console.is_terminal) as bars:
            yield from bars.track(items, total=total, description=what)

    def check_some(self, used: int, folder: Path) -> None:
        """Raise `Fatal` if `used` is 0: no file of the folder could be used."""
        if not used:
            msg = f"{folder}: none of its {self.refusals} files could be used; see above for the reasons"
            raise Fatal(msg)

    def count(self, used: int, noun: str) -> str:
        """Return for example `118 photographs (2 more could not be read)`."""
        unread = f" ({self.refusals} more could not be read)" if self.refusals else ""
        return f"{used} {noun}{unread}"
