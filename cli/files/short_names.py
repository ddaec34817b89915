"""Names that are short enough for a file system."""

import hashlib
import os

NAME_BYTES = 255
"""Largest number of bytes in the name of a file or folder on all common file systems."""

_LONGEST_KEPT = 32  # bytes; a longer ending is not kept


def shortened(name: str, *, keep: str = "", room: int = 0) -> str:
    """Return the name unchanged if it leaves `room` bytes for an ending, else its beginning and a digest of it.

    The same name is always shortened in the same way; two names practically never become the same. `keep`: the ending
    of the name that is kept, such as an extension.
    """
    limit = NAME_BYTES - room
    if len(os.fsencode(name)) <= limit:
        return name
    kept = keep if len(os.fsencode(keep)) <= _LONGEST_KEPT else ""
    ending = f"~{hashlib.sha256(os.fsencode(name)).hexdigest()[:12]}{kept}"
    beginning, left = "", limit - len(os.fsencode(ending))
    for letter in name.removesuffix(kept):
        left -= len(os.fsencode(letter))
        if left < 0:
            break
        beginning += letter
    return beginning + ending
