"""Names that a file system can hold."""

import hashlib
import os

NAME_BYTES = 255
"""Bytes that the name of a file or folder may have on all common file systems."""

_LONGEST_KEPT = 32  # bytes of an ending that is worth keeping


def shortened(name: str, *, keep: str = "", room: int = 0) -> str:
    """Return a name as it is where it leaves `room` bytes for an ending, else its beginning and a digest of it.

    The same name is always shortened in the same way, and two names hardly ever to the same one. `keep` is an ending
    of the name that stays.
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
