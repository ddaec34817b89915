"""What a comparison of bucket and database has found, for a person."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from cli.output.file_progress import printable


@dataclass
class Report:
    """The numbers of one comparison.

    `listed`: all that the bucket shows; `objects`: those that may be photographs. `again`: announced once more;
    `left`: to be announced once more by later runs. `gone` are announced as removed, unless they are `held` back, or
    are `awaited`: too many, while records wait in the stream that may say of them that they were removed.
    """

    listed: int = 0
    objects: int = 0
    known: int = 0
    without_outcome: int = 0
    again: int = 0
    left: int = 0
    young: int = 0
    hidden: int = 0
    first_hidden: str = ""
    closed: int = 0
    first_closed: str = ""
    gone: int = 0
    prefix_of_gone: str = ""
    held: bool = False
    awaited: bool = False

    def lines(self, *, dry_run: bool) -> Iterator[str]:
        """Yield the numbers for a person."""
        announced = "would be announced" if dry_run else "announced"
        yield f"{self.objects} objects in the bucket"
        yield f"{self.without_outcome} without an outcome: {announced} as uploaded"
        if self.again or self.left:
            rest = f"; {self.left} more are left to later runs" if self.left else ""
            yield f"{self.again} that could not be read: {announced} again{rest}"
        yield f"{self.young} without an outcome, and too young to be missed"
        if self.hidden:
            first = printable(self.first_hidden)
            yield f"{self.hidden} objects are there though the listing does not show them ({first} is the first)"
        if self.closed:
            first = printable(self.first_closed)
            yield f"{self.closed} known objects are not listed and may not be looked at: kept ({first} is the first)"
        if self.awaited:
            yield (
                f"{self.gone} of {self.known} known photographs are not in the bucket, and the stream has not read all"
                " that was said of it: none is announced as removed, run this again when it has"
            )
        elif not self.held:
            yield f"{self.gone} known and gone from the bucket: {announced} as removed"

    def objection(self) -> str:
        """Return why nothing was announced as removed, and what to do."""
        keys = f"; their keys begin with {printable(self.prefix_of_gone)}" if self.prefix_of_gone else ""
        return (
            f"{self.gone} of {self.known} known photographs are not in the bucket{keys}. Of so many at once nothing is"
            " announced as removed. Look whether the bucket is the right one and whole; if they were removed on"
            " purpose, run `facestream reconcile --largest-loss 1`"
        )


def common_prefix(ordered: Sequence[str]) -> str:
    """Return the folder that all of these keys have in common, else the letters that they begin with."""
    if not ordered:
        return ""
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(ordered[0], ordered[-1], strict=False))
    prefix = "".join(letter for letter, _ in pairs)
    folder, slash, _ = prefix.rpartition("/")
    return folder + slash if slash else prefix
