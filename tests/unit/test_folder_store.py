"""What only a folder can do to an object store; the rest is in its contract suite."""

import errno
import os
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.folder import store as folder
from shared.adapters.folder import walk
from shared.adapters.folder.store import FolderStore
from shared.errors import InvalidInput, ObjectError, ObjectMissing, ObjectRefused, ObjectTooLarge, Transient
from tests.support.limits import LIMIT

_NAMES = st.binary(min_size=1, max_size=80).filter(lambda name: name[:1] != b"." and not set(name) & set(b"/\0"))
_NOBODY = 65534


@pytest.fixture
def root() -> Iterator[Path]:
    # Not tmp_path: an ordinary user may not look into the folders that pytest makes for root.
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def store(root: Path) -> FolderStore:
    return FolderStore({"photos": root})


@pytest.fixture
def as_ordinary_user(root: Path) -> Iterator[None]:
    """Permissions do not bind root; without root they bind the test as it is."""
    if os.geteuid() != 0:
        yield
        return
    os.chown(root, _NOBODY, -1)
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def _keys(store: FolderStore, prefix: str = "") -> list[str]:
    return [info.key for info in store.list("photos", prefix)]


@given(names=st.sets(_NAMES, max_size=6))
def test_files_with_any_bytes_in_their_names_are_listed_in_order_and_got(names: set[bytes]) -> None:
    with tempfile.TemporaryDirectory() as root:
        for name in names:
            (Path(root) / os.fsdecode(name)).write_bytes(name)
        store = FolderStore({"photos": Path(root)})
        keys = _keys(store)
        assert keys == sorted(keys, key=str.encode)
        assert {store.get("photos", key, LIMIT).data for key in keys} == names
        store.remove("photos", keys)
        assert os.listdir(root) == []  # noqa: PTH208  Path has no such list


@given(key=st.text(max_size=60))
def test_putting_any_key_either_is_refused_or_makes_exactly_that_key(key: str) -> None:
    with tempfile.TemporaryDirectory() as outside:
        root = Path(outside) / "root"
        root.mkdir()
        store = FolderStore({"photos": root})
        try:
            store.put("photos", key, b"1", "image/jpeg")
        except ObjectRefused:
            assert _keys(store) == []
        else:
            assert _keys(store) == [key]
            assert store.get("photos", key, LIMIT).data == b"1"
        assert os.listdir(outside) == ["root"]  # noqa: PTH208  Path has no such list


@pytest.mark.parametrize(
    ("name", "key"),
    [
        (b"caf\xc3\xa9.jpg", "café.jpg"),
        (b"caf\xe9.jpg", r"caf\xe9.jpg"),
        (b"a\\b.jpg", r"a\\b.jpg"),
        (rb"\xe9.jpg", r"\\xe9.jpg"),
        (b"two\nlines.jpg", "two\nlines.jpg"),
    ],
)
def test_names_that_are_no_utf8_and_backslashes_are_escaped(
    root: Path, store: FolderStore, name: bytes, key: str
) -> None:
    (root / os.fsdecode(name)).write_bytes(b"1")
    assert _keys(store) == [key]
    assert store.get("photos", key, LIMIT).data == b"1"


@pytest.mark.parametrize(
    "key",
    [
        r"\x41",
        r"\xE9",
        "\\",
        r"a\b",
        "",
        "/",
        "//",
        "/etc/passwd",
        "..",
        "../x",
        "x/../x",
        "./x",
        "x//x",
        "x\0",
        "\ud800",
    ],
)
def test_texts_that_are_no_key_name_nothing_and_cannot_be_put(root: Path, store: FolderStore, key: str) -> None:
    for name in ("A", "x", "a", "b"):
        (root / name).write_bytes(b"1")
    with pytest.raises(ObjectMissing):
        store.get("photos", key, LIMIT)
    with pytest.raises(ObjectRefused):
        store.put("photos", key, b"1", "image/jpeg")
    store.remove("photos", [key])
    assert _keys(store) == ["A", "a", "b", "x"]


def test_names_that_begin_with_a_dot_are_no_keys(root: Path, store: FolderStore) -> None:
    (root / ".thumbnails").mkdir()
    (root / ".thumbnails/a.jpg").write_bytes(b"1")
    (root / "._a.jpg").write_bytes(b"1")
    assert _keys(store) == []
    for key in ("._a.jpg", ".thumbnails/a.jpg"):
        with pytest.raises(ObjectMissing):
            store.get("photos", key, LIMIT)
        with pytest.raises(ObjectRefused):
            store.put("photos", key, b"1", "image/jpeg")


def test_a_pipe_a_socket_and_a_device_are_listed_and_refused_at_once(root: Path, store: FolderStore) -> None:
    os.mkfifo(root / "pipe.jpg")
    (root / "zero.jpg").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "socket.jpg"))
        assert [(info.key, info.size) for info in store.list("photos")] == [
            ("pipe.jpg", 0),
            ("socket.jpg", 0),
            ("zero.jpg", 0),
        ]
        for key in ("pipe.jpg", "socket.jpg", "zero.jpg"):
            with pytest.raises(ObjectRefused, match=key):
                store.get("photos", key, LIMIT)


def test_links_that_lead_nowhere_are_listed_and_refused(root: Path, store: FolderStore) -> None:
    (root / "dangling.jpg").symlink_to("gone.jpg")
    (root / "itself.jpg").symlink_to("itself.jpg")
    assert _keys(store) == ["dangling.jpg", "itself.jpg"]
    with pytest.raises(ObjectRefused, match="a link that leads nowhere"):
        store.get("photos", "dangling.jpg", LIMIT)
    with pytest.raises(ObjectRefused, match="symbolic links"):
        store.get("photos", "itself.jpg", LIMIT)


def test_links_that_lead_outside_are_followed(root: Path, store: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "album").mkdir()
    (tmp_path / "album/a.jpg").write_bytes(b"1")
    (tmp_path / "single.jpg").write_bytes(b"2")
    (root / "b.jpg").symlink_to(tmp_path / "single.jpg")
    (root / "linked").symlink_to(tmp_path / "album")
    assert _keys(store) == ["b.jpg", "linked/a.jpg"]
    assert [store.get("photos", key, LIMIT).data for key in _keys(store)] == [b"2", b"1"]
    assert _keys(store, "linked/") == ["linked/a.jpg"]


def _walked(store: FolderStore) -> list[tuple[str, bool]]:
    return [(entry.info.key, entry.is_repeated) for entry in store.walk("photos")]


def test_links_to_what_is_listed_itself_are_passed_over_and_told(root: Path, store: FolderStore) -> None:
    (root / "2020").mkdir()
    (root / "2020/a.jpg").write_bytes(b"1")
    (root / "best").mkdir()
    (root / "best/relative.jpg").symlink_to("../2020/a.jpg")
    (root / "best/absolute.jpg").symlink_to(root / "2020/a.jpg")
    (root / "all of it").symlink_to("2020")
    assert _keys(store) == ["2020/a.jpg"]
    assert _walked(store) == [
        ("2020/a.jpg", False),
        ("all of it/", True),
        ("best/absolute.jpg", True),
        ("best/relative.jpg", True),
    ]
    assert store.get("photos", "best/relative.jpg", LIMIT).data == b"1", "a link is passed over in listings only"


def test_a_link_to_a_folder_above_the_root_is_passed_over(root: Path) -> None:
    (root / "photos").mkdir()
    (root / "photos/a.jpg").write_bytes(b"1")
    (root / "own.jpg").write_bytes(b"1")
    (root / "photos/up").symlink_to(root)
    assert _keys(FolderStore({"photos": root / "photos"})) == ["a.jpg"]


def test_of_several_links_to_one_place_outside_the_first_is_followed(
    root: Path, store: FolderStore, tmp_path: Path
) -> None:
    (tmp_path / "album/trip").mkdir(parents=True)
    (tmp_path / "album/a.jpg").write_bytes(b"1")
    (tmp_path / "album/trip/b.jpg").write_bytes(b"2")
    (root / "1").symlink_to(tmp_path / "album/trip")
    (root / "2").symlink_to(tmp_path / "album")
    (root / "3").symlink_to(tmp_path / "album")
    (root / "4.jpg").symlink_to(tmp_path / "album/a.jpg")
    (root / "5").symlink_to(tmp_path / "album/trip")
    assert _keys(store) == ["1/b.jpg", "2/a.jpg"]
    assert _walked(store) == [
        ("1/b.jpg", False),
        ("2/a.jpg", False),
        ("2/trip/", True),
        ("3/", True),
        ("4.jpg", True),
        ("5/", True),
    ]


def test_a_link_to_a_hidden_name_is_followed_since_nothing_else_lists_it(root: Path, store: FolderStore) -> None:
    (root / ".git/annex/objects").mkdir(parents=True)
    (root / ".git/annex/objects/SHA256E-1.jpg").write_bytes(b"1")
    (root / "a.jpg").symlink_to(".git/annex/objects/SHA256E-1.jpg")
    (root / "kept").symlink_to(".git/annex/objects")
    assert _keys(store) == ["a.jpg"]
    assert _walked(store) == [("a.jpg", False), ("kept/SHA256E-1.jpg", True)]
    assert store.get("photos", "a.jpg", LIMIT).data == b"1"


def test_a_link_whose_target_goes_stays_listed(root: Path, store: FolderStore) -> None:
    (root / "a.jpg").write_bytes(b"1")
    (root / "b.jpg").symlink_to("a.jpg")
    assert _keys(store) == ["a.jpg"]
    (root / "a.jpg").unlink()
    assert _keys(store) == ["b.jpg"]
    with pytest.raises(ObjectRefused, match="a link that leads nowhere"):
        store.get("photos", "b.jpg", LIMIT)


def test_the_beginning_of_a_file_is_read_without_the_rest(root: Path, store: FolderStore) -> None:
    (root / "a").write_bytes(b"0123456789")
    assert store.head("photos", "a", 4) == b"0123"
    assert store.head("photos", "a", 40) == b"0123456789"
    with pytest.raises(ObjectMissing):
        store.head("photos", "b", 4)


def test_a_link_to_a_folder_above_it_is_passed_over(root: Path, store: FolderStore) -> None:
    (root / "one/two").mkdir(parents=True)
    (root / "one/two/a.jpg").write_bytes(b"1")
    (root / "one/two/top").symlink_to(root)
    (root / "one/two/up").symlink_to("..")
    (root / "one/two/here").symlink_to(".")
    assert _keys(store) == ["one/two/a.jpg"]


def test_two_folders_that_link_to_each_other_end(root: Path, store: FolderStore) -> None:
    for name, other in ("ab", "ba"):
        (root / name).mkdir()
        (root / name / f"{name}.jpg").write_bytes(b"1")
        (root / name / other).symlink_to(root / other)
    assert _keys(store) == ["a/a.jpg", "b/b.jpg"]


@pytest.mark.usefixtures("as_ordinary_user")
def test_a_file_without_permission_is_listed_and_refused(root: Path, store: FolderStore) -> None:
    (root / "a.jpg").write_bytes(b"123")
    (root / "a.jpg").chmod(0)
    assert [(info.key, info.size) for info in store.list("photos")] == [("a.jpg", 3)]
    with pytest.raises(ObjectRefused, match=r"photos/a\.jpg: permission denied"):
        store.get("photos", "a.jpg", LIMIT)


@pytest.mark.usefixtures("as_ordinary_user")
def test_a_folder_without_permission_is_one_object_that_is_refused(root: Path, store: FolderStore) -> None:
    (root / "closed").mkdir()
    (root / "closed/b.jpg").write_bytes(b"1")
    (root / "closed").chmod(0)
    for name in ("closed.jpg", "open.jpg"):
        (root / name).write_bytes(b"1")
    try:
        assert _keys(store) == ["closed.jpg", "closed/", "open.jpg"]
        assert _keys(store, "closed/") == ["closed/"]
        assert _keys(store, "closed/b") == []
        for key in ("closed/", "closed/b.jpg"):
            with pytest.raises(ObjectRefused, match="permission denied"):
                store.get("photos", key, LIMIT)
    finally:
        (root / "closed").chmod(0o755)
    assert _keys(store) == ["closed.jpg", "closed/b.jpg", "open.jpg"]
    with pytest.raises(ObjectMissing):
        store.get("photos", "closed/", LIMIT)


@pytest.mark.usefixtures("as_ordinary_user")
def test_files_in_a_folder_that_may_be_listed_and_not_entered_are_refused(root: Path, store: FolderStore) -> None:
    (root / "closed").mkdir()
    (root / "closed/b.jpg").write_bytes(b"1")
    (root / "closed").chmod(0o444)
    try:
        assert [(info.key, info.size) for info in store.list("photos")] == [("closed/b.jpg", 0)]
        with pytest.raises(ObjectRefused, match="permission denied"):
            store.get("photos", "closed/b.jpg", LIMIT)
    finally:
        (root / "closed").chmod(0o755)


@pytest.mark.usefixtures("as_ordinary_user")
def test_writing_without_permission_is_wrong_input(root: Path, store: FolderStore) -> None:
    store.put("photos", "a", b"1", "image/png")
    root.chmod(0o555)
    try:
        with pytest.raises(InvalidInput, match="expected a folder that may be written"):
            store.put("photos", "b", b"1", "image/png")
        with pytest.raises(InvalidInput, match="expected a folder that may be written"):
            store.remove("photos", ["a"])
    finally:
        root.chmod(0o755)
    assert _keys(store) == ["a"]


def test_a_full_disk_is_told_with_the_bytes_needed_and_leaves_nothing_behind(
    root: Path, store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("photos", "a", b"old", "image/png")

    def half(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(Transient, match=r"no space left on device .*1000 bytes"):
        store.put("photos", "a", b"1" * 1000, "image/png")
    assert [path.name for path in root.iterdir()] == ["a"]
    assert store.get("photos", "a", LIMIT).data == b"old"


def test_an_unfinished_file_of_a_killed_process_is_not_listed(
    root: Path, store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "replace", lambda _path, _target: None)
    monkeypatch.setattr(folder, "unlink", lambda _path: None)
    store.put("photos", "a", b"1", "image/png")
    assert len(list(root.iterdir())) == 1
    assert _keys(store) == []


@pytest.mark.parametrize("key", ["file/below", "folder", "n" * 300])
def test_a_key_that_no_file_can_have_here_is_refused(root: Path, store: FolderStore, key: str) -> None:
    (root / "file").write_bytes(b"1")
    (root / "folder/inside").mkdir(parents=True)
    with pytest.raises(ObjectRefused, match=key):
        store.put("photos", key, b"1", "image/png")
    assert _keys(store) == ["file"]


def test_a_put_file_has_the_permissions_of_any_new_file(root: Path, store: FolderStore) -> None:
    (root / "plain").write_bytes(b"1")
    store.put("photos", "a", b"1", "image/png")
    assert (root / "a").stat().st_mode == (root / "plain").stat().st_mode


def test_a_vanished_root_is_no_empty_bucket(tmp_path: Path) -> None:
    store = FolderStore({"photos": tmp_path / "unplugged"})
    with pytest.raises(Transient, match="expected a folder"):
        list(store.list("photos"))
    with pytest.raises(Transient, match="expected a folder"):
        store.get("photos", "a.jpg", LIMIT)


def test_an_unknown_bucket_is_named_with_the_known_ones(store: FolderStore) -> None:
    with pytest.raises(InvalidInput, match="bucket faces: expected one of photos"):
        store.get("faces", "a.jpg", LIMIT)


@pytest.mark.slow
def test_folders_nested_deeper_than_python_calls_are_walked(root: Path, store: FolderStore) -> None:
    depth = 1050
    deepest = root.joinpath(*["d"] * depth)
    subprocess.run(["mkdir", "-p", deepest], check=True)
    (deepest / "a.jpg").write_bytes(b"1")
    assert _keys(store) == ["d/" * depth + "a.jpg"]
    subprocess.run(["rm", "-r", root / "d"], check=True)  # Python's own removal is recursive


def test_a_folder_nested_deeper_than_any_path_is_listed_and_refused(root: Path, store: FolderStore) -> None:
    script = 'cd "$0" && for i in 1 2 3 4; do mkdir -p "$1" && cd -P "$1" || exit 1; done && touch a.jpg'
    subprocess.run(["sh", "-c", script, root, "/".join(["d" * 200] * 6)], check=True)
    (key,) = _keys(store)
    assert key.endswith("d/")
    with pytest.raises(ObjectRefused, match="file name too long"):
        store.get("photos", key, LIMIT)
    subprocess.run(["rm", "-r", root / ("d" * 200)], check=True)


def test_what_is_removed_during_a_listing_is_passed_over(root: Path, store: FolderStore) -> None:
    for name in ("a.jpg", "b.jpg", "c/d.jpg", "e.jpg"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"1")
    listing = store.list("photos")
    assert next(listing).key == "a.jpg"
    (root / "b.jpg").unlink()
    (root / "c/d.jpg").unlink()
    (root / "c").rmdir()
    assert [info.key for info in listing] == ["e.jpg"]


def test_times_are_exact_to_the_microsecond_and_may_lie_before_1970(root: Path, store: FolderStore) -> None:
    for name, time in (("a", 1_700_000_000_123_456_789), ("b", -1_000)):
        (root / name).write_bytes(b"1")
        os.utime(root / name, ns=(time, time))
    assert [info.modified for info in store.list("photos")] == [
        datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ]


@pytest.mark.parametrize("time", [-(2**70), 2**70])
def test_a_time_that_no_calendar_has_is_told_as_1970(time: int) -> None:
    assert walk._time(time) == datetime(1970, 1, 1, tzinfo=UTC)


def test_a_process_that_is_out_of_files_says_so_and_blames_no_photograph(
    root: Path, store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "a.jpg").write_bytes(b"1")

    def refuse(*_arguments: object) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(Transient, match="too many open files"):
        store.get("photos", "a.jpg", LIMIT)


def test_a_damaged_disk_is_the_trouble_of_one_object(
    root: Path, store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "a.jpg").write_bytes(b"1")

    def refuse(*_arguments: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ObjectError, match=r"photos/a\.jpg: input/output error"):
        store.get("photos", "a.jpg", LIMIT)


def test_a_file_that_grows_while_it_is_read_is_read_up_to_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(bytes(10))
    real = os.fstat

    def before(descriptor: int) -> os.stat_result:
        found = list(real(descriptor))
        found[stat.ST_SIZE] = 3  # the rest comes after this
        return os.stat_result(found)

    monkeypatch.setattr(os, "fstat", before)
    store = FolderStore({"photos": tmp_path})
    assert store.get("photos", "a", 10).data == bytes(10)
    with pytest.raises(ObjectTooLarge, match=r"^more than 9 bytes, at most 9 allowed$"):
        store.get("photos", "a", 9)
