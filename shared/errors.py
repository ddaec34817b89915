"""The errors of facestream.

    FacestreamError
    ├── Transient          a dependency failed and may recover: retry the batch
    │   └── Undecided      it is not known yet whether a commit succeeded
    ├── Poison             this record can never be processed: write it to the dead letters
    │   └── Deadly         work on this record ended its process at every attempt
    ├── Fatal              continuing would do harm: stop the process with a non-zero exit status
    │   ├── InvalidInput   the input of a person is wrong: one line, exit status 2
    │   ├── Busy           another process does this work, and only one can
    │   └── ModelError     a model file is missing, altered or of an unknown kind
    ├── ObjectError        one object could not be read from the object store
    │   ├── ObjectMissing  there is no such object (any more)
    │   ├── ObjectRefused  it exists, but reading it is not possible or not permitted
    │   └── ObjectTooLarge it is larger than the caller allows
    └── Unreadable         the bytes of a photograph cannot be decoded, with the reason
        └── Undecoded      this time: no memory, time or process was left

An unreadable photograph is not an error of the stream: it is an outcome with a reason, which passes through all
services like any other. `Unreadable` carries that reason from a decoder to the detector's step and no further. The
step turns an `ObjectError` into such an outcome as well.
"""

from typing import ClassVar


class FacestreamError(Exception):
    """Base of every error that facestream raises on purpose. `exit_status`: of a command that ends with it."""

    exit_status: ClassVar[int] = 1


class Transient(FacestreamError):
    """A dependency failed in a way that may pass; the same call may succeed later."""


class Undecided(Transient):
    """A commit failed in a way that leaves open whether it succeeded."""


class Poison(FacestreamError):
    """A record that no number of attempts can process."""


class Deadly(Poison):
    """A record that ended its process at every attempt, without an error."""


class Fatal(FacestreamError):
    """The process must stop."""


class InvalidInput(Fatal):
    """A person's input is wrong. The message names what was expected, what came and what to do."""

    exit_status = 2


class Busy(Fatal):
    """Another process does this work, and only one can at a time."""


class ModelError(Fatal):
    """A model file is missing, does not match its checksum, or is of a kind that cannot be loaded."""


class ObjectError(FacestreamError):
    """One object could not be read from the object store."""


class ObjectMissing(ObjectError):
    """The bucket holds no object of that key."""


class ObjectRefused(ObjectError):
    """The object exists and cannot be read: permission, a loop of links, a damaged disk."""


class ObjectTooLarge(ObjectError):
    """The object has more bytes than the caller allows. `size`: its bytes, None if the store does not report them."""

    def __init__(self, size: int | None, limit: int) -> None:
        super().__init__(size, limit)
        self.size = size
        self.limit = limit

    def __str__(self) -> str:
        found = f"more than {self.limit:,}" if self.size is None else f"{self.size:,}"
        return f"{found} bytes, at most {self.limit:,} allowed"


class Unreadable(FacestreamError):
    """The bytes of a photograph are not an image that facestream can or may decode; `str(error)` is the reason."""


class Undecoded(Unreadable):
    """A photograph could not be decoded this time: no memory, time or process was left. Its bytes may be sound."""


def first_line(error: Exception | str, longest: int = 500) -> str:
    """Return the first line of an error's text, cut to so many characters: for logs, spans and dead letters."""
    return (str(error).splitlines() or [""])[0][:longest]
