"""How much memory there is: what the container may take, or what the machine has."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MEMORY = "FACESTREAM_DETECTOR_MEMORY"
"""The setting that limits the bytes for decoding a photograph."""
_GB = 1e9
_CGROUP_2, _CGROUP_1 = "memory.max", "memory.limit_in_bytes"  # the files that hold a group's limit, in bytes


def limit_of_memory(root: Path = Path("/")) -> int:
    """Return the bytes that this process and its children may take together.

    It is the least of what the machine has and what the control groups that this process is in allow, of both
    versions, up to the outermost one that can be seen. `root`: the folder that `proc` and `sys` are in.
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
    """Yield the limits of the groups; a container may see its own group as the root, or the path on its host."""
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
        if ".." in group.parts:  # of a process that is outside of the container's own groups
            group = Path()
        for folder in (group, *group.parents):
            with suppress(OSError, ValueError):  # no such group here, or "max": no limit
                yield int((top / folder / name).read_text(encoding="ascii"))


@contextmanager
def limited(size: int | None) -> Iterator[None]:
    """Let this process take at most so many bytes of memory in this context, with what it has already; None: any.

    What is beyond is refused like memory that is not there. Counted are private memory that can be written, stacks of
    threads among it (RLIMIT_DATA): not the code of libraries, nor addresses that are only reserved.
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
    """Return why a photograph was not decoded for which memory was short; `memory`: the bytes that were allowed."""
    reason = "not enough memory to decode it"
    return reason if memory is None else f"{reason}: {shown(memory)} allowed ({MEMORY})"


def shown(size: float) -> str:
    """Return bytes as text."""
    return f"{size / _GB:.1f} GB" if size >= _GB else f"{size / 1e6:.0f} MB"


def taken() -> int:
    """Return the bytes of this process that `limited` counts."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    msg = "expected VmData in /proc/self/status, found none"
    raise ValueError(msg)
