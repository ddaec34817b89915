"""The numbers of one comparison of bucket and database, as lines of text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from cli.output.terminal import printable


@dataclass(kw_only=True)
class Summary:
    """The numbers of one comparison.

    listed: All objects that the listing of the bucket shows.
    objects: Those of them that may be photographs.
    known: Photographs of the database that are not recorded as removed.
    without_outcome: Objects that are announced as uploaded.
    again: Unreadable photographs that are announced once more.
    left: Unreadable photographs that later runs announce once more.
    young: Objects without an outcome that are younger than the grace period.
    hidden: Objects that exist although the listing does not show them.
    inaccessible: Known objects that are not listed, and to which access is denied.
    gone: Known photographs whose objects are gone. They are announced as removed, unless there are too many; then
        either `withheld` is set, or `stream_behind`, if records in the stream may still report the removals.
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
    inaccessible: int = 0
    first_inaccessible: str = ""
    gone: int = 0
    prefix_of_gone: str = ""
    withheld: bool = False
    stream_behind: bool = False

    def lines(self, *, dry_run: bool) -> Iterator[str]:
        """Yield the numbers as lines of text."""
        announced = "would be announced" if dry_run else "announced"
        yield f"{self.objects} objects in the bucket"
        yield f"{self.without_outcome} without an outcome: {announced} as uploaded"
        if self.again or self.left:
            rest = f"; {self.left} more are left to later runs" if self.left else ""
            yield f"{self.again} that could not be read: {announced} again{rest}"
        yield f"{self.young} without an outcome, and younger than the grace period"
        if self.hidden:
            first = printable(self.first_hidden)
            yield f"{self.hidden} objects exist although the listing does not show them (the first is {first})"
        if self.inaccessible:
            first = printable(self.first_inaccessible)
            yield (
                f"{self.inaccessible} known objects are not listed, and access to them is denied: kept (the first is"
                f" {first})"
            )
        if self.stream_behind:
            yield (
                f"{self.gone} of {self.known} known photographs are not in the bucket, and the stream has not yet read"
                " all notifications: none is announced as removed; run this again when it has"
            )
        elif not self.withheld:
            yield f"{self.gone} known and gone from the bucket: {announced} as removed"

    def objection(self) -> str:
        """Return why no photograph was announced as removed, and what the operator can do."""
        keys = f"; their keys begin with {printable(self.prefix_of_gone)}" if self.prefix_of_gone else ""
        return (
            f"{self.gone} of {self.known} known photographs are not in the bucket{keys}. These are too many: none is"
            " announced as removed. Check that the bucket is the right one and complete; if the photographs were"
            " removed on purpose, run `facestream reconcile --largest-loss 1`"
        )


def common_prefix(ordered: Sequence[str]) -> str:
    """Return the folder that all of these sorted keys have in common, else the letters that all begin with."""
    if not ordered:
        return ""
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(ordered[0], ordered[-1], strict=False))
    prefix = "".join(letter for letter, _ in pairs)
    folder, slash, _ = prefix.rpartition("/")
    return folder + slash if slash else prefix
