"""The files that a command reads from a folder and its subfolders."""

import os
import stat
from collections import Counter
from collections.abc import Callable
from pathlib import Path, PurePath

from cli.output.file_progress import FileProgress
from shared.adapters.folder.store import FolderStore
from shared.errors import InvalidInput, ObjectError, Unreadable
from shared.photos.photo_files import sorted_files
from shared.photos.photo_names import Reason, passed_over_in_words
from shared.photos.photo_rule import PhotoRule, PhotoSettings

_BUCKET = "folder"  # name under which the folder store offers the folder


def files_in(folder: Path, progress: FileProgress, wanted: Callable[[str], bool] | None = None) -> list[Path]:
    """Return the paths of the photographs in a folder, relative to it, in the order of their names.

    `shared/photos/photo_rule.py`, with the settings of the environment, decides what a photograph is; with `wanted`,
    only files of these names are considered. Files that are passed over are reported by number, folders that cannot be
    read by name. Raises `InvalidInput` if `folder` is not a folder or has no such file, and `Transient` if it cannot be
    read.
    """
    if not folder.is_dir():
        what = "a file" if folder.exists() else "nothing"
        msg = f"{folder}: expected a folder, found {what}"
        raise InvalidInput(msg)
    store = FolderStore({_BUCKET: folder})
    rule = PhotoRule.of(PhotoSettings(), above=str(folder.resolve()))
    files, passed_over = [], Counter[Reason]()
    for file in sorted_files(store, _BUCKET, rule, wanted):
        path = store.path(_BUCKET, file.info.key)
        if file.passed_over:
            passed_over[file.passed_over.reason] += 1
        elif file.info.key.endswith("/"):
            progress.refused(text_of(path), _refusal(store, file.info.key))
        else:
            files.append(path.relative_to(folder.absolute()))
    summary = passed_over_in_words(passed_over)
    if not files:
        msg = f"{folder}: expected files to read in it or its subfolders, found none"
        raise InvalidInput(f"{msg}; {summary}" if summary else msg)
    if summary:
        progress.note(summary)
    return sorted(files, key=os.fsencode)


def _refusal(store: FolderStore, key: str) -> str:
    try:
        store.head(_BUCKET, key, 1)
    except ObjectError as error:
        return str(error).removeprefix(f"{_BUCKET}/{key}: ")
    return "could not be read a moment ago"


def content(path: Path, max_bytes: int) -> bytes:
    """Return the bytes of a file; raises `Unreadable` with the reason. Never waits for a pipe."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            msg = "not a regular file"
            raise Unreadable(msg)
        if found.st_size > max_bytes:
            msg = f"{found.st_size:,} bytes, at most {max_bytes:,} allowed"
            raise Unreadable(msg)
        return path.read_bytes()
    except OSError as error:
        raise Unreadable((error.strerror or str(error)).lower()) from error


def text_of(path: PurePath | str) -> str:
    r"""Return a path as text that any UTF-8 file can contain: a byte that is not UTF-8 becomes `\xNN`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
