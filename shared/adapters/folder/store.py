r"""Objects as files: every bucket is a folder, every key a path below it.

What lies in a folder of photographs is what people and cameras put there, so this store is built for any content:

- Every name that is not a folder is listed, whatever it is; what cannot be read (no permission, a link that leads
  nowhere, a pipe, a damaged disk) says so in `get`. So does a folder that cannot be read: it is listed as one object
  whose key ends in `/`, and no photograph is passed over in silence.
- Names that begin with a dot are no keys: neither listed nor read nor written. Photo tools and systems keep their
  thumbnails and notes there (`._IMG_1.JPG`), and this store its unfinished files.
- Links that lead outside are followed: a person who links a folder in means it. A link to what is listed itself, or to
  a folder above, is passed over, and of several links to one place outside all but the first. A link to a hidden name
  is followed (stores that keep files by their checksums have them there); one whose target is away is listed.
- Linux names are bytes, keys are text: in a key a backslash is written as two, a byte that is not UTF-8 as `\xNN`.
"""

import errno
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from shared.errors import FacestreamError, InvalidInput, ObjectMissing, ObjectRefused, ObjectTooLarge, Transient
from shared.ports.objects import FolderEntry, ObjectInfo, StoredObject

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ESCAPE = re.compile(rb"\\(?:\\|x([0-9a-f]{2}))")
_NOT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR}
_NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS}
_IN_THE_WAY = {errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ENAMETOOLONG, errno.ELOOP}
# The process or the machine has run out of something; the file itself may be fine.
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}


class FolderStore:
    """An `ObjectStore` over folders: `roots` maps the name of each bucket to its folder."""

    def __init__(self, roots: Mapping[str, Path]) -> None:
        self._roots = {bucket: root.absolute() for bucket, root in roots.items()}

    def get(self, bucket: str, key: str, limit: int) -> StoredObject:
        """Return a file; its etag is the MD5 of its bytes. Never waits for a pipe.

        Raises `ObjectMissing`, `ObjectRefused`, `ObjectTooLarge`, and `Transient` where the bucket's folder is gone.
        """
        data = self._read(bucket, key, lambda path: _content(path, limit))
        return StoredObject(data, hashlib.md5(data, usedforsecurity=False).hexdigest(), len(data))

    def head(self, bucket: str, key: str, size: int) -> bytes:
        """Return the first `size` bytes of a file; raises as `get` does, and never that it is too large."""
        return self._read(bucket, key, lambda path: _beginning(path, size))

    def _read(self, bucket: str, key: str, read: Callable[[Path], bytes]) -> bytes:
        root, path = self._root(bucket), self.path(bucket, key)
        try:
            if key.endswith("/"):
                _names(path)  # listed because it could not be read; now that it can, it is a folder and no object
                raise _missing(bucket, key)
            return read(path)
        except OSError as error:
            raise _not_read(error, root, path, f"{bucket}/{key}") from error

    def path(self, bucket: str, key: str) -> Path:
        """Return where a file or a folder of a listing lies; raises `ObjectMissing` where no file can have that key."""
        path = _path(self._root(bucket), key.removesuffix("/"))
        if path is None:
            raise _missing(bucket, key)
        return path

    def exists(self, bucket: str, key: str) -> bool:
        """Say whether a listing would have this key: of a link that leads nowhere too, and of no folder.

        Raises `ObjectRefused` where we may not look, and `Transient` where the bucket's own folder is gone.
        """
        root = self._root(bucket)
        path = _path(root, key.removesuffix("/"))
        if path is None:
            return False
        try:
            path.lstat()
        except OSError as error:
            found = _not_read(error, root, path, f"{bucket}/{key}")
            if isinstance(found, ObjectMissing) or error.errno == errno.ENAMETOOLONG:
                return False
            raise found from error
        return _is_closed(path) if key.endswith("/") else not os.path.isdir(path)  # noqa: PTH112  that of Path raises

    def put(self, bucket: str, key: str, data: bytes, content_type: str) -> None:  # noqa: ARG002  of the port
        """Write a file under another name and rename it, so that readers find all of it or nothing.

        It is not flushed to the disk: a process that dies loses nothing, a machine that loses power may leave its
        last files empty. Raises `ObjectRefused` where no file can have that key, `InvalidInput` where the folder may
        not be written, and `Transient` where the disk is full.
        """
        path = _path(self._root(bucket), key)
        if path is None:
            msg = f"{bucket}/{key}: no file can have this key"
            raise ObjectRefused(msg)
        scratch = path.with_name(f".{secrets.token_hex(8)}.part")
        try:
            try:
                scratch.write_bytes(data)
            except FileNotFoundError:
                path.parent.mkdir(parents=True, exist_ok=True)
                scratch.write_bytes(data)
            scratch.replace(path)
        except OSError as error:
            raise _not_written(error, f"{bucket}/{key}", path, len(data)) from error
        finally:
            _unlink(scratch)

    def remove(self, bucket: str, keys: Iterable[str]) -> None:
        """Remove files; folders stay, even empty ones. Raises `InvalidInput` where the folder may not be written."""
        root = self._root(bucket)
        for key in keys:
            path = _path(root, key)
            try:
                if path is not None:
                    _unlink(path)
            except OSError as error:
                if error.errno not in _IN_THE_WAY:
                    raise _not_written(error, f"{bucket}/{key}", path or root, 0) from error

    def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield every file; holds the names of one folder, and of those above it, at a time.

        Of two links to one place outside, a listing with a prefix knows only those on its way. Raises `Transient`
        where the bucket's own folder cannot be read.
        """
        return (entry.info for entry in self.walk(bucket, prefix) if not entry.is_repeated)

    def walk(self, bucket: str, prefix: str = "") -> Iterator[FolderEntry]:
        """Yield what `list` does and, between, the links that it passes over, those to folders with `/` at the end."""
        root = self._root(bucket)
        try:
            top = _Level("", root, os.path.realpath(root), iter(_names(root)))
        except OSError as error:
            msg = f"{root}: expected a folder that can be read, found: {_reason(error)}"
            raise Transient(msg) from error
        return _walk(top, prefix)

    def _root(self, bucket: str) -> Path:
        try:
            return self._roots[bucket]
        except KeyError:
            msg = f"bucket {bucket}: expected one of {', '.join(sorted(self._roots))}"
            raise InvalidInput(msg) from None


@dataclass(frozen=True, slots=True)
class _Level:
    """A folder on the way from the root to where the walk is; `real` has no links, `rest` are the names still to visit.

    With each name, whether it is a link.
    """

    prefix: str
    folder: Path
    real: str
    rest: Iterator[tuple[str, bool]]


class _Places:
    """What a walk lists, as paths without links. Not as inodes: not every share has any that can be relied on."""

    def __init__(self, root: str) -> None:
        self._folders = {root}
        self._linked: set[str] = set()

    def follow(self, real: str, *, is_folder: bool) -> None:
        """Take what a link leads to as listed from now on."""
        self._linked.add(real)
        if is_folder:
            self._folders.add(real)

    def is_linked(self, real: str) -> bool:
        """Say whether a link to exactly this place was followed."""
        return real in self._linked

    def is_listed(self, real: str) -> bool:
        """Say whether this place is listed without a further link to it; what lies under a hidden name is not."""
        if real in self._linked:
            return True
        while real not in self._folders:
            above, _, name = real.rpartition("/")
            if not name or name.startswith("."):
                return False
            real = above or "/"
        return True


def _walk(top: _Level, prefix: str) -> Iterator[FolderEntry]:
    levels, places = [top], _Places(top.real)  # not recursive: folders may be nested deeper than Python's calls
    while levels:
        level = levels[-1]
        part, is_link = next(level.rest, (None, False))
        if part is None:
            levels.pop()
            continue
        key = level.prefix + part
        if not (key.startswith(prefix) or (part.endswith("/") and prefix.startswith(key))):
            continue
        path = level.folder / _name(part.removesuffix("/"))
        real = _target(path) if is_link else f"{level.real.rstrip('/')}/{path.name}"
        repeated = real is not None and _is_repeated(real, levels if is_link else (), places)
        inside = _level(key, path, real) if part.endswith("/") and real is not None and not repeated else None
        if inside:
            if is_link:
                places.follow(inside.real, is_folder=True)
            levels.append(inside)
            continue
        info = _info(path, key) if key.startswith(prefix) else None
        if info:
            if is_link and real is not None and not repeated:
                places.follow(real, is_folder=False)
            yield FolderEntry(info, repeated)


def _level(key: str, path: Path, real: str) -> _Level | None:
    """Return a folder to walk; None where it cannot be read: then it is an object of its own, which `get` refuses."""
    try:
        return _Level(key, path, real, iter(_names(path)))
    except FileNotFoundError:
        return _Level(key, path, real, iter(()))  # removed since its name was read
    except OSError:
        return None


def _is_repeated(real: str, above: Sequence[_Level], places: _Places) -> bool:
    """Say whether a walk lists a place elsewhere; `above`: of a link the folders on the way to it, else none."""
    if not above:
        return places.is_linked(real)
    return places.is_listed(real) or any(f"{level.real}/".startswith(f"{real.rstrip('/')}/") for level in above)


def _target(link: Path) -> str | None:
    """Return where a link leads in the end; None where nothing is there, or nobody may look."""
    try:
        return os.path.realpath(link, strict=True)
    except OSError:
        return None


def _names(folder: Path) -> list[tuple[str, bool]]:
    """Return the names in a folder as parts of keys, folders with `/` at the end, in the order of whole keys.

    With each, whether it is a link. Python compares texts by code point, which is the order of their UTF-8 bytes. The
    `/` makes the order right: `a.jpg` is before `a/b.jpg`, and the name `a` alone would be before both.
    """
    with os.scandir(folder) as entries:
        return sorted(
            (_part(entry.name) + ("/" if _is_folder(entry) else ""), entry.is_symlink())
            for entry in entries
            if entry.name[0] != "."
        )


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself, or where we may not look
        return False


def _is_closed(path: Path) -> bool:
    """Say whether a path is a folder that cannot be read."""
    try:
        _names(path)
    except OSError as error:
        return error.errno not in _NOT_THERE
    return False


def _info(path: Path, key: str) -> ObjectInfo | None:
    """Describe a file; None where it was removed since its name was read."""
    try:
        found = path.stat()
    except OSError:  # a link that leads nowhere, for one: it is described itself
        try:
            found = path.lstat()
        except FileNotFoundError:
            return None
        except OSError:
            return ObjectInfo(key, 0, _EPOCH)
    size = found.st_size if stat.S_ISREG(found.st_mode) else 0
    # A program may put the time of the last change back after an edit; that of the inode it cannot.
    stamp = f"{size} {found.st_mtime_ns} {found.st_ctime_ns}"
    return ObjectInfo(key, size, _time(found.st_mtime_ns), stamp=stamp)


def _time(nanoseconds: int) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=nanoseconds // 1000)
    except OverflowError:  # a file system can hold times that no calendar has
        return _EPOCH


def _part(name: str) -> str:
    """Return a file's name as part of a key: total, and reversed by `_name`."""
    if name.isascii() and "\\" not in name:  # nearly all names, and a folder may have a million
        return name
    return os.fsencode(name).replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")


def _name(part: str) -> str:
    """Return the file's name that a part of a key stands for; raises UnicodeEncodeError for half a surrogate pair."""
    if part.isascii() and "\\" not in part:
        return part
    return os.fsdecode(
        _ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode()) if found[1] else b"\\", part.encode())
    )


def _path(folder: Path, key: str) -> Path | None:
    """Return the path of a key below a folder, None where no file can have it. It never leaves the folder."""
    parts = key.split("/")
    try:
        names = [_name(part) for part in parts]
    except UnicodeEncodeError:
        return None
    impossible = any(name[:1] in ("", ".") or "/" in name or "\0" in name for name in names)
    return None if impossible or [_part(name) for name in names] != parts else folder.joinpath(*names)


def _content(path: Path, limit: int) -> bytes:
    """Return a whole file; raises `ObjectTooLarge`."""
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise ObjectTooLarge(size, limit)
        data = file.read(size + 1)
        if len(data) > size:  # it has grown since
            data += file.read(limit + 1 - len(data))
        if len(data) > limit:
            raise ObjectTooLarge(None, limit)
        return data


def _beginning(path: Path, size: int) -> bytes:
    with _opened(path) as file:
        return file.read(size)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Give a regular file; of anything else, raises OSError."""
    # Without O_NONBLOCK, opening a pipe waits for somebody to write into it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "a folder")
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


def _unlink(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        if error.errno not in _NOT_THERE:
            raise


def _reason(error: OSError) -> str:
    return (error.strerror or repr(error)).lower()


def _missing(bucket: str, key: str) -> ObjectMissing:
    return ObjectMissing(f"{bucket}/{key}: no such file")


def _not_read(error: OSError, root: Path, path: Path, name: str) -> FacestreamError:
    if error.errno in _EXHAUSTED:
        return Transient(f"{name}: {_reason(error)}")
    if error.errno not in _NOT_THERE:
        return ObjectRefused(f"{name}: {_reason(error)}")
    if not root.is_dir():  # an unplugged disk is not a million removed photographs
        return Transient(f"{root}: expected a folder, found none; is its disk still there?")
    if error.errno == errno.ENOENT and path.is_symlink():
        return ObjectRefused(f"{name}: a link that leads nowhere")
    return ObjectMissing(f"{name}: no such file")


def _not_written(error: OSError, name: str, path: Path, size: int) -> FacestreamError:
    if error.errno in _NOT_ALLOWED:
        return InvalidInput(f"{path.parent}: expected a folder that may be written, found: {_reason(error)}")
    if error.errno in _IN_THE_WAY:
        return ObjectRefused(f"{name}: {_reason(error)}")
    return Transient(f"{name}: {_reason(error)} (in {path.parent}, {size} bytes to write)")
