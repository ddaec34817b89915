"""How the memory of a container, or of a machine, is shared out among the processes that decode photographs."""

from services.detector.settings import DetectorSettings
from shared.errors import InvalidInput
from shared.memory_limit import limit_of_memory

_MIB = 1024 * 1024
PROCESS = 256 * _MIB
"""Bytes of a process that decodes, when it has loaded its models."""
LEAST = 512 * _MIB
"""Bytes: what 24 megapixels need of the kinds that need most, and detection on the tallest picture."""
SERVICE = 256 * _MIB
"""Bytes of the detector's own process, without photographs."""
IN_HAND = 64 * _MIB
"""Bytes that are planned for a photograph that is read and not decoded yet; few are larger."""
_STEP = 64 * _MIB  # what is shared out is a multiple of it, so that it is the same from start to start


def share(processes: int, beside: int, there: int | None = None) -> int:
    """Return the bytes that each of the processes may take to decode a photograph, which may be below `LEAST`.

    `beside`: what others take of the memory that is `there`, by default all of the container's or the machine's.
    """
    left = (limit_of_memory() if there is None else there) - beside
    return (left // processes - PROCESS) // _STEP * _STEP


def of_service(settings: DetectorSettings, processes: int, in_hand: int, there: int | None = None) -> DetectorSettings:
    """Return the settings with the memory of each process of the service, which reads `in_hand` photographs at once.

    Raises `InvalidInput` where that is not enough for ordinary photographs: one who wants it so says how much.
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
