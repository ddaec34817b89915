"""Functions compiled to machine code by numba."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numba

_P = ParamSpec("_P")
_R = TypeVar("_R")

# Sums may be reordered, so that they use the vector unit, the same way for every pair of faces; infinities and NaN
# keep their meaning.
_SUMS = {"reassoc", "contract", "nsz"}


def compiled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile a function of arrays and numbers; it releases the interpreter lock while it runs.

    The code is kept on disk beside the module or in the user's cache folder, so that only the first process pays
    for compiling. Where neither can be written (a read-only container) every process compiles for itself.
    """
    try:
        result: Callable[_P, _R] = numba.njit(cache=True, nogil=True, fastmath=_SUMS)(function)
    except RuntimeError:  # numba found no folder to keep the code in
        result = numba.njit(nogil=True, fastmath=_SUMS)(function)
    return result
