"""Functions that numba compiles to machine code."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numba

_P = ParamSpec("_P")
_R = TypeVar("_R")

# Sums may be reordered, so that they use vector instructions; the order is the same for every pair of faces.
# Infinities and NaN keep their meaning.
_FAST_MATH = {"reassoc", "contract", "nsz"}


def compiled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile a function of arrays and numbers. It releases the interpreter lock while it runs.

    The machine code is kept on disk beside the module or in the user's cache folder, so that only the first process
    compiles. Where neither can be written (a read-only container), every process compiles.
    """
    try:
        result: Callable[_P, _R] = numba.njit(cache=True, nogil=True, fastmath=_FAST_MATH)(function)
    except RuntimeError:  # numba found no folder that it can write to
        result = numba.njit(nogil=True, fastmath=_FAST_MATH)(function)
    return result
