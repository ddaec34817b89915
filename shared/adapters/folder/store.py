r"""Objects as files: every bucket is a folder, every key a path below it.

People and cameras put anything into a folder of photographs, so this store expects any content:

- Every name that is not a folder is listed, whatever it is. If it cannot be read (no permission, a link to nothing, a
  pipe, a damaged disk), `get` raises an error. A folder that cannot be read is listed as one object whose key ends in
  `/`, and `get` raises an error for it: no photograph is left out silently.
- Names that begin with a dot are not keys: they are not listed, read or written. Photo tools and systems keep their
  thumbnails and notes there (`._IMG_1.JPG`), and this store its unfinished files.
- Links that lead outside the folder are followed, because a person made them on purpose. A link to something that is
  listed anyway, or to a folder above it, is left out; of several links to one target outside, all but the first. A link
  to a hidden name is followed (stores that keep files by their checksums use such names). A link to nothing is listed.
- Linux names are bytes, and keys are text: a key has two backslashes for one, and `\xNN` for a byte that is not UTF-8.
"""

import errno
import hashlib
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from shared.adapters.folder.files import (
    IN_THE_WAY,
    beginning,
    content,
    not_read,
    not_written,
    reason_of,
    unlink,
)
from shared.adapters.folder.keys import path_of
from shared.adapters.folder.walk import Level, is_closed, names_in, walk_from
from shared.errors import InvalidInput, ObjectMissing, ObjectRefused, Transient
from shared.ports.objects import FolderEntry, ObjectInfo, StoredObject


class FolderStore:
    """An `ObjectStore` over folders: `roots` maps the name of each bucket to its folder."""

    def __init__(self, roots: Mapping[str, Path]) -> None:
        self._roots = {bucket: root.absolute() for bucket, root in roots.items()}

    def get(self, bucket: str, key: str, limit: int) -> StoredObject:
        """Return a file; its etag is the MD5 of its bytes. Does not wait for a pipe.

        Raises `ObjectMissing`, `ObjectRefused`, `ObjectTooLarge`, and `Transient` if the bucket's folder is missing.
        """
        data = self._read(bucket, key, lambda path: content(path, limit))
        return StoredObject(data, hashlib.md5(data, usedforsecurity=False).hexdigest(), len(data))

    def head(self, bucket: str, key: str, size: int) -> bytes:
        """Return the first `size` bytes of a file; raises what `get` raises, except `ObjectTooLarge`."""
        return self._read(bucket, key, lambda path: beginning(path, size))

    def _read(self, bucket: str, key: str, read: Callable[[Path], bytes]) -> bytes:
        root, path = self._root(bucket), self.path(bucket, key)
        try:
            if key.endswith("/"):
                names_in(path)  # if this succeeds, the folder has become readable, and is not an object any more
                raise _missing(bucket, key)
            return read(path)
        except OSError as error:
            raise not_read(error, root, path, f"{bucket}/{key}") from error

    def path(self, bucket: str, key: str) -> Path:
        """Return the path of a file, or a folder, in a listing; raises `ObjectMissing` if no file can have the key."""
        path = path_of(self._root(bucket), key.removesuffix("/"))
        if path is None:
            raise _missing(bucket, key)
        return path

    def exists(self, bucket: str, key: str) -> bool:
        """Return whether a listing has this key: true for a link to nothing, false for a folder.

        Raises `ObjectRefused` if the system does not permit to look, and `Transient` if the bucket's folder is missing.
        """
        root = self._root(bucket)
        path = path_of(root, key.removesuffix("/"))
        if path is None:
            return False
        try:
            path.lstat()
        except OSError as error:
            found = not_read(error, root, path, f"{bucket}/{key}")
            if isinstance(found, ObjectMissing) or error.errno == errno.ENAMETOOLONG:
                return False
            raise found from error
        return is_closed(path) if key.endswith("/") else not os.path.isdir(path)  # noqa: PTH112  `Path.is_dir` may raise

    def put(self, bucket: str, key: str, data: bytes, content_type: str) -> None:  # noqa: ARG002  of the port
        """Write a file under another name and rename it, so that readers see the complete file or none.

        The file is not flushed to the disk: nothing is lost if the process dies, but if the machine loses power, the
        last files may be empty. Raises `ObjectRefused` if no file can have the key, `InvalidInput` if the folder may
        not be written, and `Transient` if the disk is full.
        """
        path = path_of(self._root(bucket), key)
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
            raise not_written(error, f"{bucket}/{key}", path, len(data)) from error
        finally:
            unlink(scratch)

    def remove(self, bucket: str, keys: Iterable[str]) -> None:
        """Remove files; folders stay, even empty ones. Raises `InvalidInput` if the folder may not be written."""
        root = self._root(bucket)
        for key in keys:
            path = path_of(root, key)
            try:
                if path is not None:
                    unlink(path)
            except OSError as error:
                if error.errno not in IN_THE_WAY:
                    raise not_written(error, f"{bucket}/{key}", path or root, 0) from error

    def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield every file. Keeps the names of one folder, and of the folders above it, in memory at a time.

        A listing with a prefix does not know links outside the prefix, so it may list what another link leads to as
        well. Raises `Transient` if the bucket's folder cannot be read.
        """
        return (entry.info for entry in self.walk(bucket, prefix) if not entry.is_repeated)

    def walk(self, bucket: str, prefix: str = "") -> Iterator[FolderEntry]:
        """Yield what `list` yields, and the links that it leaves out; the key of a link to a folder ends in `/`."""
        root = self._root(bucket)
        try:
            top = Level("", root, os.path.realpath(root), iter(names_in(root)))
        except OSError as error:
            msg = f"{root}: expected a folder that can be read, found: {reason_of(error)}"
            raise Transient(msg) from error
        return walk_from(top, prefix)

    def _root(self, bucket: str) -> Path:
        try:
            return self._roots[bucket]
        except KeyError:
            msg = f"bucket {bucket}: expected one of {', '.join(sorted(self._roots))}"
            raise InvalidInput(msg) from None


def _missing(bucket: str, key: str) -> ObjectMissing:
    return ObjectMissing(f"{bucket}/{key}: no such file")
