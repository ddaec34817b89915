"""The folder of a result: one run at a time, and always the same photographs and models."""

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from shared.errors import InvalidInput
from shared.whole_output import whole_file

DATABASE = "facestream.db"
REPORT = "report.html"
_ORIGIN = "run.json"
_LOCK = ".lock"


def check_folders(photos: Path, out: Path) -> None:
    """Refuse folders that make no sense together; raises `InvalidInput`."""
    if not photos.is_dir():
        what = "a file" if photos.exists() else "nothing"
        msg = f"{photos}: expected a folder of photographs, found {what}"
        raise InvalidInput(msg)
    if out.exists() and not out.is_dir():
        msg = f"{out}: expected a folder for the result, or none yet; found a file"
        raise InvalidInput(msg)
    if out.resolve().is_relative_to(photos.resolve()):
        msg = f"{out}: the result lies inside the photographs {photos}, so its crops would be taken for photographs; "
        msg += "choose a folder outside"
        raise InvalidInput(msg)


@contextmanager
def held(out: Path) -> Iterator[None]:
    """Make the folder if need be and keep all others who change it out; raises `InvalidInput` where one is in it.

    The lock ends with the process, however that ends.
    """
    out.mkdir(parents=True, exist_ok=True)
    with (out / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = f"{out}: another command is working in this folder; wait for it, or choose another one"
            raise InvalidInput(msg) from None
        yield


def record_origin(out: Path, origin: Mapping[str, str]) -> None:
    """Write down what this result is made of, for `check_origin` of later runs."""
    with whole_file(out / _ORIGIN, "new") as scratch:
        scratch.write_text(json.dumps(dict(origin), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def check_origin(out: Path, origin: Mapping[str, str]) -> None:
    """Refuse to mix what cannot be compared: other photographs, another detector or another model.

    Raises `InvalidInput` where `origin` differs from what an earlier run recorded.
    """
    path = out / _ORIGIN
    if not path.exists():
        return
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        differing = [name for name in origin if known[name] != origin[name]]
    except (ValueError, TypeError, KeyError) as error:
        msg = (
            f"{path}: expected what an earlier run wrote there, found something else ({error!r}); choose another --out"
        )
        raise InvalidInput(msg) from error
    if differing:
        name = differing[0]
        msg = f"{out} was made with {name} = {known[name]}, and this run has {origin[name]}; choose another --out"
        if name == "photos":
            msg += f", or write the new place into {path} if the folder was moved"
        raise InvalidInput(msg)
