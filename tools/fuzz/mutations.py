"""Mutations of files: bytes cut off, flipped, overwritten, inserted, removed; fields of the header changed."""

import random
import struct
from collections.abc import Callable

_HEADER = 400  # bytes that hold most fields
_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 65_535 * 4)


def mutated(data: bytes, random_: random.Random) -> tuple[str, bytes]:
    """Apply one to three random mutations; return their names and the changed bytes."""
    names = []
    for _ in range(random_.choice((1, 1, 1, 2, 3))):
        name = random_.choice(tuple(_MUTATIONS))
        names.append(name)
        data = _MUTATIONS[name](data, random_)
    return " + ".join(names), data


def _cut_off(data: bytes, random_: random.Random) -> bytes:
    return data[: random_.randint(0, len(data))]


def _ended_by_zeros(data: bytes, random_: random.Random) -> bytes:
    kept = random_.randint(0, len(data))
    return data[:kept] + bytes(len(data) - kept)


def _flipped(data: bytes, random_: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(random_.choice((1, 2, 8, 64)) if changed else 0):
        changed[random_.randrange(len(changed))] ^= 1 << random_.randrange(8)
    return bytes(changed)


def _copied_over(data: bytes, random_: random.Random) -> bytes:
    changed = bytearray(data)
    size = min(len(data), random_.choice((4, 32, 512, 4096)))
    start, end = random_.randint(0, len(data) - size), random_.randint(0, len(data) - size)
    changed[end : end + size] = data[start : start + size]
    return bytes(changed)


def _inserted(data: bytes, random_: random.Random) -> bytes:
    offset = random_.randint(0, len(data))
    return data[:offset] + random_.randbytes(random_.choice((1, 2, 4, 100, 3000))) + data[offset:]


def _removed(data: bytes, random_: random.Random) -> bytes:
    offset = random_.randint(0, len(data))
    return data[:offset] + data[offset + random_.choice((1, 2, 4, 100)) :]


def _field(data: bytes, random_: random.Random) -> bytes:
    """Write an extreme number of 8, 16 or 32 bits, in either byte order, into the header or anywhere."""
    code = random_.choice(("B", "<H", ">H", "<L", ">L"))
    size = struct.calcsize(code)
    if len(data) < size:
        return data
    changed = bytearray(data)
    end = len(data) if random_.random() < 0.2 else min(len(data), _HEADER)
    struct.pack_into(code, changed, random_.randint(0, end - size), random_.choice(_EXTREMES) % (1 << 8 * size))
    return bytes(changed)


_MUTATIONS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "cut off": _cut_off,
    "ended by zeros": _ended_by_zeros,
    "flipped": _flipped,
    "copied over": _copied_over,
    "inserted": _inserted,
    "removed": _removed,
    "field": _field,
}
