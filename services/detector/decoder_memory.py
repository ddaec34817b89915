"""Divide the memory of a container or machine among the processes that decode photographs."""

from services.detector.settings import DetectorSettings
from shared.errors import InvalidInput
from shared.memory_limit import limit_of_memory

_MIB = 1024 * 1024
PROCESS = 256 * _MIB
"""Bytes of a worker process after it has loaded its models."""
LEAST = 512 * _MIB
"""Bytes that a process needs at least: for 24 megapixels of the most demanding kinds, and detection on the tallest
picture."""
SERVICE = 256 * _MIB
"""Bytes of the detector's own process, without photographs."""
IN_HAND = 64 * _MIB
"""Bytes planned for each photograph that was read and is not decoded yet. Few are larger."""
_STEP = 64 * _MIB  # shares are multiples of it, so that they are the same at every start


def share(processes: int, beside: int, there: int | None = None) -> int:
    """Return the bytes that each process may use to decode a photograph. The result can be below `LEAST`.

    `there`: bytes to divide, by default all memory of the container or machine. `beside`: bytes of it for others.
    """
    left = (limit_of_memory() if there is None else there) - beside
    return (left // processes - PROCESS) // _STEP * _STEP


def of_service(settings: DetectorSettings, processes: int, in_hand: int, there: int | None = None) -> DetectorSettings:
    """Return the settings with the memory of each process of the service, which reads `in_hand` photographs at once.

    Raises `InvalidInput` if that is not enough for ordinary photographs and no explicit value is configured.
    """
    if settings.memory is not None:
        return settings
    total = limit_of_memory() if there is None else there
    found = share(processes, SERVICE + in_hand * IN_HAND, total)
    if found < LEAST:
        msg = (
            f"FACESTREAM_DETECTOR_PROCESSES: {processes} of them in {total // _MIB:,} MiB of memory have"
            f" {max(0, found // _MIB)} MiB each to decode a photograph, and {LEAST // _MIB} are expected; lower it,"
            " give more memory, or set FACESTREAM_DETECTOR_MEMORY"
        )
        raise InvalidInput(msg)
    return settings.model_copy(update={"memory": found})


def of_folder(settings: DetectorSettings, processes: int, beside: int, there: int | None = None) -> DetectorSettings:
    """Return the settings with the memory of each process of a command, never less than `LEAST`."""
    if settings.memory is not None:
        return settings
    return settings.model_copy(update={"memory": max(LEAST, share(processes, beside, there))})


def fitting(processes: int, beside: int, there: int | None = None) -> int:
    """Return how many of the processes have `LEAST` in the memory that is there, at least 1."""
    left = (limit_of_memory() if there is None else there) - beside
    return max(1, min(processes, left // (PROCESS + LEAST)))
