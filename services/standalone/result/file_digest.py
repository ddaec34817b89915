"""The digest by which facestream recognises a file that it has made: of its bytes, never of its name."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

_NO_FILE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.EPERM}


@dataclass(frozen=True, slots=True)
class FileDigest:
    """A file as it was written: the SHA-256 of its bytes. Size in bytes and time in ns avoid reading it again."""

    sha256: bytes
    size: int
    mtime_ns: int

    def fits(self, found: os.stat_result) -> bool:
        """Return whether size and time are those of the file as it was written."""
        return (self.size, self.mtime_ns) == (found.st_size, found.st_mtime_ns)


def status(path: Path) -> os.stat_result | None:
    """Return the status of a path, without following a link; None if nothing exists there."""
    try:
        return path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def is_plain_folder(path: Path) -> bool:
    """Return whether a path is a folder, and not a link to one."""
    found = status(path)
    return found is not None and stat.S_ISDIR(found.st_mode)


def digest_of(path: Path) -> FileDigest | None:
    """Read a file and return its digest; None if there is no file, or a link, a folder or a pipe."""
    found = status(path)
    if found is None or not stat.S_ISREG(found.st_mode):
        return None
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _NO_FILE:
            return None
        raise
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        return FileDigest(hashlib.file_digest(file, "sha256").digest(), found.st_size, found.st_mtime_ns)


def has_bytes_of(path: Path, digests: Iterable[FileDigest]) -> bool:
    """Return whether a file has the bytes of one of these digests. It is read, so this is safe before replacing it."""
    found = digest_of(path)
    return found is not None and found.sha256 in {digest.sha256 for digest in digests}


def seems_as(path: Path, digests: Sequence[FileDigest]) -> bool:
    """Return whether a file matches one of these digests. It is read only if its size or time differs from them."""
    found = status(path)
    if not digests or found is None or not stat.S_ISREG(found.st_mode):
        return False
    return any(digest.fits(found) for digest in digests) or has_bytes_of(path, digests)


def is_same(path: Path, other: Path) -> bool:
    """Return whether two paths are hard links to one file, or files with equal bytes."""
    found, other_found = status(path), status(other)
    if found is None or other_found is None:
        return False
    if os.path.samestat(found, other_found):
        return True
    digest = digest_of(path) if found.st_size == other_found.st_size else None
    return digest is not None and has_bytes_of(other, [digest])
