"""What the name of a file shows: a photograph, a file of another known kind, or nothing certain.

The bytes decide what a file is. So only names of other known kinds are passed over, and a file whose name shows nothing
certain is opened. docs/photographs.md has the same lists for people.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto


class Reason(StrEnum):
    """Why a file was passed over, in words for one file."""

    KEPT = "kept by another program"
    IGNORED = "left out by a setting"
    HIDDEN = "hidden"
    FOLDER = "folder"
    LINK = "link to what is there itself"
    VIDEO = "video"
    SOUND = "sound"
    SIDECAR = "sidecar file"
    ARTWORK = "layered picture or drawing"
    DOCUMENT = "document"
    ARCHIVE = "archive"
    DATA = "file of a program"
    UNFINISHED = "unfinished copy"
    NOT_A_PICTURE = "not a picture"


_OF_MANY = {
    Reason.KEPT: "files kept by other programs",
    Reason.IGNORED: "files left out by a setting",
    Reason.HIDDEN: "hidden files",
    Reason.LINK: "links to what is there itself",
    Reason.SOUND: "sound files",
    Reason.ARTWORK: "layered pictures or drawings",
    Reason.DATA: "files of programs",
    Reason.UNFINISHED: "unfinished copies",
    Reason.NOT_A_PICTURE: "files that are not pictures",
}
_OF_ONE = {
    Reason.KEPT: "file kept by another program",
    Reason.IGNORED: "file left out by a setting",
    Reason.HIDDEN: "hidden file",
    Reason.SOUND: "sound file",
    Reason.NOT_A_PICTURE: "file that is not a picture",
}


@dataclass(frozen=True, slots=True)
class PassedOver:
    """Why a file is not a photograph. `detail`, for people: the program that keeps it, its ending, or its kind."""

    reason: Reason
    detail: str = ""

    def __str__(self) -> str:
        """Return the reason and the detail, for a list with one line per file."""
        return f"{self.reason.value} ({self.detail})" if self.detail else self.reason.value


class Likely(Enum):
    """What the name of a file shows that is not passed over."""

    PHOTOGRAPH = auto()
    LOOK_INSIDE = auto()
    """The name shows nothing certain: the first bytes decide."""


Verdict = Likely | PassedOver

_COMMON = (
    "jpg jpeg jpe jif jfif jfi mpo insp png apng webp tif tiff bmp dib gif heic heics heif heifs hif avif avifs "
    "jp2 j2k j2c jpc jpf jpx jxl"
)
_RAW = "3fr arw cr2 cr3 crw dcr dng erf fff gpr iiq kdc mef mos mrw nef nrw orf pef raf raw rw2 rwl sr2 srf srw x3f"
_OTHERS: Mapping[Reason, str] = {
    Reason.VIDEO: (
        "3g2 3gp 3gpp asf avi divx dv f4v flv insv lrv m2t m2ts m2v m4v mj2 mkv mov mp4 mpeg mpg mts mxf ogm ogv qt "
        "rmvb vob webm wmv wtv"
    ),
    Reason.SOUND: "aac ac3 aif aifc aiff amr ape caf flac m4a m4b mid midi mka mp3 oga ogg opus wav wma",
    Reason.SIDECAR: "aae arp cos dop exif exv json mrk nks nksc on1 pp3 ppx rws srt thm vrd xmp",
    Reason.ARTWORK: "afdesign afphoto ai cdr dwg dxf emf eps ico kra ora pdn psb psd pspimage svg svgz wmf xcf",
    Reason.DOCUMENT: (
        "csv doc docm docx eml epub gpx htm html kml kmz log m3u m3u8 mobi nmea odp ods odt pdf ppt pptx rtf txt vcf "
        "xls xlsm xlsx xml yaml yml"
    ),
    Reason.ARCHIVE: "7z bz2 cbr cbz dmg gz iso rar tar tbz tgz txz xz zip zst",
    Reason.DATA: (
        "apk bup cpi ctg css db db-journal db-shm db-wal dll exe ifo ini jar jbf js lnk lrcat lrtemplate mdb mpl msi "
        "php plist ps1 py pyc sqlite sqlite3 ttf url vbs webloc"
    ),
    Reason.UNFINISHED: "aria2 crdownload download filepart opdownload part partial !qb !sync !ut",
}

RAW_ENDINGS = frozenset(_RAW.split())
PHOTO_ENDINGS = frozenset(_COMMON.split()) | RAW_ENDINGS
OTHER_ENDINGS: Mapping[str, Reason] = {ending: reason for reason, words in _OTHERS.items() for ending in words.split()}


def ending_of(key: str) -> str:
    """Return the part of a name after its last dot, in lower case; empty if there is no dot but a leading one."""
    stem, _, ending = key.rpartition("/")[2].rpartition(".")
    return ending.lower() if stem else ""


def classify_ending(key: str) -> Verdict:
    """Return what the ending of a name shows. Works for every name, in upper and lower case."""
    ending = ending_of(key)
    if ending in PHOTO_ENDINGS:
        return Likely.PHOTOGRAPH
    reason = OTHER_ENDINGS.get(ending)
    return PassedOver(reason, f".{ending}") if reason else Likely.LOOK_INSIDE


def is_raw_name(key: str) -> bool:
    """Return whether a file of this name may be a raw file of a camera."""
    return ending_of(key) in RAW_ENDINGS


def passed_over_in_words(passed_over: Mapping[Reason, int]) -> str:
    """Return for example `3 files were passed over: 2 videos, 1 sidecar file`; empty if there were none."""
    counts = Counter(passed_over)
    total = counts.total()
    if not total:
        return ""
    # Equal numbers in the order of the reasons, so that the same files always give the same sentence.
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], list(Reason).index(pair[0])))
    parts = [f"{number} {_words(reason, number)}" for reason, number in ordered if number]
    return f"{total} {'files were' if total > 1 else 'file was'} passed over: {', '.join(parts)}"


def _words(reason: Reason, number: int) -> str:
    if number == 1:
        return _OF_ONE.get(reason, reason.value)
    return _OF_MANY.get(reason, f"{reason.value}s")
