"""Random orders that follow from what is ordered, not from where it stands.

Each face has a key of its own, and its place in an order is that of the key mixed with a seed. So one more face does
not shuffle all others anew, as a permutation of one more number would.
"""

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]

_ROUND = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio, the step of SplitMix64
_MASK = 2**64 - 1


def keys_of(names: Iterable[str]) -> Keys:
    """Return a key for each name, shape (n,), uint64: 64 bits of a hash."""
    digests = b"".join(hashlib.blake2b(name.encode(), digest_size=8).digest() for name in names)
    return np.frombuffer(digests, "<u8").astype(np.uint64)


def shuffled(keys: Keys, *seeds: int) -> NDArray[np.int64]:
    """Return an order of the keys, shape (n,): another one for other seeds. No two keys are the same."""
    salt = 0
    for seed in seeds:
        salt = int(_mixed(np.array([(salt + seed * _ROUND + _ROUND) & _MASK], np.uint64))[0])
    return np.argsort(_mixed(keys ^ np.uint64(salt)))


def visiting_orders(keys: Keys, rounds: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield for each round an order in which to visit the nodes with these keys."""
    for number in range(rounds):
        yield shuffled(keys, seed, number)


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return a random-looking number for each, no two the same: the last step of SplitMix64.

    Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
    """
    mixed = numbers.copy()
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed ^= mixed >> np.uint64(shift)
        mixed *= np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    return mixed
