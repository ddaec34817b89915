"""How much memory there is for decoding, by the files of the kernel, and how it is shared out."""

from pathlib import Path

import pytest

from services.detector.decoder_memory import LEAST, PROCESS, fitting, of_folder, of_service, share
from services.detector.settings import DetectorSettings
from services.quality.settings import QualitySettings
from services.standalone.library.decoders import decoders
from services.standalone.result.origin import origin_of
from services.standalone.settings import OF_RUN, StandaloneSettings
from shared.errors import InvalidInput
from shared.memory_limit import limit_of_memory, limited, taken

GIB, MIB = 1 << 30, 1 << 20
MACHINE = 16 * GIB


def files(folder: Path, groups: str, **limits: str) -> Path:
    """The kernel's files of a machine of 16 GiB, as they are seen by a process in these groups."""
    limits = {name.replace("__", "/"): text for name, text in limits.items()}
    contents = {
        "proc/meminfo": f"MemFree: 1 kB\nMemTotal: {MACHINE // 1024} kB\n",
        "proc/self/cgroup": groups,
        **limits,
    }
    for name, text in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
    return folder


def test_a_machine_without_groups_has_what_it_has(tmp_path: Path) -> None:
    assert limit_of_memory(files(tmp_path, "0::/\n")) == MACHINE
    (tmp_path / "proc/self/cgroup").unlink()
    assert limit_of_memory(tmp_path) == MACHINE


def test_a_container_that_sees_its_own_group_as_the_root_has_its_limit(tmp_path: Path) -> None:
    root = files(tmp_path, "0::/\n")
    top = root / "sys/fs/cgroup"
    top.mkdir(parents=True)
    (top / "memory.max").write_text(f"{2 * GIB}\n", encoding="ascii")
    assert limit_of_memory(root) == 2 * GIB


@pytest.mark.parametrize(
    ("inner", "outer", "expected"), [("max", 3 * GIB, 3 * GIB), (1 * GIB, 3 * GIB, GIB), (4 * GIB, "max", 4 * GIB)]
)
def test_the_narrowest_of_the_groups_counts(inner: str | int, outer: str | int, expected: int, tmp_path: Path) -> None:
    root = files(tmp_path, "0::/pod/container\n")
    group = root / "sys/fs/cgroup/pod/container"
    group.mkdir(parents=True)
    (group / "memory.max").write_text(f"{inner}\n", encoding="ascii")
    (group.parent / "memory.max").write_text(f"{outer}\n", encoding="ascii")
    assert limit_of_memory(root) == expected


def test_a_group_by_the_path_of_its_host_is_looked_for_at_the_root_too(tmp_path: Path) -> None:
    root = files(tmp_path, "0::/kubepods/pod1/abc\n")
    top = root / "sys/fs/cgroup"
    top.mkdir(parents=True)
    (top / "memory.max").write_text(f"{2 * GIB}\n", encoding="ascii")
    assert limit_of_memory(root) == 2 * GIB
    (root / "proc/self/cgroup").write_text("0::/../../other\n", encoding="ascii")
    assert limit_of_memory(root) == 2 * GIB


def test_groups_of_the_first_version_are_read_and_a_limit_beyond_the_machine_is_none(tmp_path: Path) -> None:
    root = files(tmp_path, "9:cpu,cpuacct:/docker/a\n4:memory:/docker/a\n0::/\n")
    group = root / "sys/fs/cgroup/memory/docker/a"
    group.mkdir(parents=True)
    (group / "memory.limit_in_bytes").write_text("9223372036854771712\n", encoding="ascii")
    assert limit_of_memory(root) == MACHINE
    (group / "memory.limit_in_bytes").write_text(f"{GIB}\n", encoding="ascii")
    assert limit_of_memory(root) == GIB


def test_this_machine_has_some() -> None:
    assert limit_of_memory() > 256 * MIB
    assert taken() > MIB


def test_within_a_limit_memory_ends_there_and_behind_it_no_longer() -> None:
    with limited(taken() + 100 * MIB), pytest.raises(MemoryError):
        bytearray(200 * MIB)
    assert len(bytearray(200 * MIB)) == 200 * MIB
    with limited(None):
        assert len(bytearray(200 * MIB)) == 200 * MIB


@pytest.mark.parametrize("processes", [1, 2, 3, 8])
@pytest.mark.parametrize("there", [2 * GIB, 4 * GIB, 64 * GIB])
def test_shares_and_what_is_beside_them_are_no_more_than_there_is(processes: int, there: int) -> None:
    beside = 448 * MIB
    found = share(processes, beside, there)
    assert processes * (found + PROCESS) + beside <= there
    assert found % (64 * MIB) == 0
    assert processes * (found + 64 * MIB + PROCESS) + beside > there


def test_the_detector_in_its_container_has_room_for_ordinary_photographs() -> None:
    found = of_service(DetectorSettings(), 1, in_hand=3, there=2 * GIB).memory
    assert found == 1344 * MIB


def test_a_detector_with_more_processes_than_memory_says_so_at_its_start() -> None:
    with pytest.raises(InvalidInput) as refusal:
        of_service(DetectorSettings(), 4, in_hand=6, there=2 * GIB)
    assert str(refusal.value) == (
        "FACESTREAM_DETECTOR_PROCESSES: 4 of them in 2,048 MiB of memory have 64 MiB each to decode a photograph, and"
        " 512 are expected; lower it, give more memory, or set FACESTREAM_DETECTOR_MEMORY"
    )
    said = DetectorSettings(memory=100 * MIB)
    assert of_service(said, 4, in_hand=6, there=2 * GIB) is said
    assert of_folder(said, 4, 0, there=2 * GIB) is said


def test_a_command_on_a_small_machine_has_fewer_processes_and_never_too_little() -> None:
    assert fitting(8, OF_RUN, there=8 * GIB) == 7
    assert fitting(8, OF_RUN, there=16 * GIB) == 8
    assert fitting(8, OF_RUN, there=GIB) == 1
    assert of_folder(DetectorSettings(), 1, OF_RUN, there=GIB).memory == LEAST
    assert of_folder(DetectorSettings(), 8, OF_RUN, there=16 * GIB).memory == 1472 * MIB


def test_a_number_of_processes_that_somebody_said_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.detector.decoder_memory.limit_of_memory", lambda: GIB)
    pool, detector = StandaloneSettings.with_processes(5).with_memory_shared(DetectorSettings(), OF_RUN)
    assert (pool.processes, detector.memory) == (5, LEAST)
    pool, detector = StandaloneSettings.with_processes(None).with_memory_shared(DetectorSettings(), OF_RUN)
    assert (pool.processes, detector.memory) == (1, LEAST)


def test_what_was_beyond_the_memory_is_tried_again_with_more_and_a_result_does_not_change_with_it() -> None:
    little, more = (DetectorSettings(memory=size * MIB) for size in (100, 200))
    assert decoders(little) != decoders(more)
    photos, quality = Path("photos"), QualitySettings()
    assert origin_of(photos, "model", little, quality) == origin_of(photos, "model", more, quality)
