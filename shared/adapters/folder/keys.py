r"""Keys as paths below a folder, and back.

Linux names are bytes, and keys are text: a key has two backslashes for one, and `\xNN` for a byte that is not UTF-8.
"""

import os
import re
from pathlib import Path

_ESCAPE = re.compile(rb"\\(?:\\|x([0-9a-f]{2}))")


def part_of(name: str) -> str:
    """Return any file's name as part of a key; `name_of` reverses it."""
    if name.isascii() and "\\" not in name:  # a shortcut for nearly all names: a folder may have a million
        return name
    return os.fsencode(name).replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")


def name_of(part: str) -> str:
    """Return the file's name for a part of a key; raises UnicodeEncodeError if the part has half a surrogate pair."""
    if part.isascii() and "\\" not in part:
        return part
    return os.fsdecode(
        _ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode()) if found[1] else b"\\", part.encode())
    )


def path_of(folder: Path, key: str) -> Path | None:
    """Return the path of a key, which is always below the folder; None if no file can have this key."""
    parts = key.split("/")
    try:
        names = [name_of(part) for part in parts]
    except UnicodeEncodeError:
        return None
    impossible = any(name[:1] in ("", ".") or "/" in name or "\0" in name for name in names)
    return None if impossible or [part_of(name) for name in names] != parts else folder.joinpath(*names)
