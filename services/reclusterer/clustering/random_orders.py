"""Random orders that depend on what is ordered, not on its position in the input.

Each face has a key, and orders sort the keys after mixing them with a seed. So a new face does not change the order
of the others, as a random permutation of n + 1 numbers would.
"""

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from services.reclusterer.clustering.arrays import Keys

_ROUND = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio, the step of SplitMix64
_MASK = 2**64 - 1


def keys_of(names: Iterable[str]) -> Keys:
    """Return a key for each name, shape (n,), uint64: 64 bits of its BLAKE2b hash."""
    digests = b"".join(hashlib.blake2b(name.encode(), digest_size=8).digest() for name in names)
    return np.frombuffer(digests, "<u8").astype(np.uint64)


def shuffled(keys: Keys, *seeds: int) -> NDArray[np.int64]:
    """Return the indices of the keys in random order, shape (n,). Other seeds give another order.

    No two keys may be equal.
    """
    salt = 0
    for seed in seeds:
        salt = int(_mixed(np.array([(salt + seed * _ROUND + _ROUND) & _MASK], np.uint64))[0])
    return np.argsort(_mixed(keys ^ np.uint64(salt)))


def visiting_orders(keys: Keys, rounds: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield, for each round, the order in which to visit the nodes with these keys."""
    for number in range(rounds):
        yield shuffled(keys, seed, number)


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Map each number to a random-looking one, no two to the same: the last step of SplitMix64.

    Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
    """
    mixed = numbers.copy()
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed ^= mixed >> np.uint64(shift)
        mixed *= np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    return mixed
