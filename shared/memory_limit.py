"""How much memory this process may use: the limit of the container, or the memory of the machine."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MEMORY = "FACESTREAM_DETECTOR_MEMORY"
"""The setting with the number of bytes that decoding a photograph may use."""
_GB = 1e9
_CGROUP_2, _CGROUP_1 = "memory.max", "memory.limit_in_bytes"  # the files that hold a group's limit, in bytes


def limit_of_memory(root: Path = Path("/")) -> int:
    """Return the bytes that this process and its children may use together.

    This is the minimum of the machine's memory and the limits of this process's control groups, of both versions, up to
    the outermost visible group. `root`: the folder that has `proc` and `sys` in it.
    """
    limits = [_of_machine(root), *_of_groups(root)]
    return min(limits)


def _of_machine(root: Path) -> int:
    for line in (root / "proc/meminfo").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "MemTotal":
            return int(value.split()[0]) * 1024
    msg = "expected MemTotal in /proc/meminfo, found none"
    raise ValueError(msg)


def _of_groups(root: Path) -> Iterator[int]:
    """Yield the limits of the control groups. A container sees its group as the root, or by the path on its host."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "memory" not in controllers.split(","):
            continue
        top, name = (root / "sys/fs/cgroup/memory", _CGROUP_1) if controllers else (root / "sys/fs/cgroup", _CGROUP_2)
        group = Path(path.lstrip("/"))
        if ".." in group.parts:  # the group of a process outside the container
            group = Path()
        for folder in (group, *group.parents):
            with suppress(OSError, ValueError):  # no such group here, or "max": no limit
                yield int((top / folder / name).read_text(encoding="ascii"))


@contextmanager
def limited(size: int | None) -> Iterator[None]:
    """Limit the memory of this process to `size` bytes within this context, including what it uses already.

    An allocation beyond the limit fails as if the machine had no more memory. Counted is private memory that can be
    written, including the stacks of threads (RLIMIT_DATA); the code of libraries and addresses that are only reserved
    are not counted. None: no limit.
    """
    if size is None:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    least = size if hard == resource.RLIM_INFINITY else min(size, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (least, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def not_enough(memory: int | None) -> str:
    """Return the reason why a photograph was not decoded that needs more than `memory` bytes, the allowed number."""
    reason = "not enough memory to decode it"
    return reason if memory is None else f"{reason}: {shown(memory)} allowed ({MEMORY})"


def shown(size: float) -> str:
    """Return a number of bytes as text, in GB or MB."""
    return f"{size / _GB:.1f} GB" if size >= _GB else f"{size / 1e6:.0f} MB"


def taken() -> int:
    """Return the number of bytes that this process uses now, as `limited` counts them."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    msg = "expected VmData in /proc/self/status, found none"
    raise ValueError(msg)
