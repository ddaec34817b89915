"""The one rule for what is a photograph: names as people have them, in a folder and in a bucket."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidInput
from shared.photos.other_programs import KEPT_BY
from shared.photos.photo_names import (
    OTHER_ENDINGS,
    PHOTO_ENDINGS,
    RAW_ENDINGS,
    Likely,
    PassedOver,
    Reason,
    passed_over_in_words,
)
from shared.photos.photo_rule import PhotoRule, PhotoSettings

_DOCS = (Path(__file__).parents[2] / "docs" / "photographs.md").read_text(encoding="utf-8")
_PHOTOGRAPH, _LOOK_INSIDE = Likely.PHOTOGRAPH, Likely.LOOK_INSIDE
_UUID = "0f8e2c1a-7b4d-4c9e-9a57-3d1f6b2c8e90"

_NAMES: list[tuple[str, Likely | Reason]] = [
    # Photographs, whatever the case and the folder.
    ("2020/Summer/IMG_0001.JPG", _PHOTOGRAPH),
    ("IMG_0001.HEIC", _PHOTOGRAPH),
    ("a.mpo", _PHOTOGRAPH),
    ("a.JXL", _PHOTOGRAPH),
    ("GOPR0001.GPR", _PHOTOGRAPH),
    ("a.j2k", _PHOTOGRAPH),
    ("a.avifs", _PHOTOGRAPH),
    ("DSC_0001.NEF", _PHOTOGRAPH),
    ("photo.tar.jpg", _PHOTOGRAPH),
    ("IMG_1234.sync-conflict-20200102-123045-ABCDEFG.jpg", _PHOTOGRAPH),
    # Own folders that are called like those of programs.
    ("Originals/a.jpg", _PHOTOGRAPH),
    ("thumbs/a.jpg", _PHOTOGRAPH),
    ("thumbnails/holiday/a.jpg", _PHOTOGRAPH),
    ("cache/a.jpg", _PHOTOGRAPH),
    ("resources/a.jpg", _PHOTOGRAPH),
    ("recycle/a.jpg", _PHOTOGRAPH),
    ("recycler/a.jpg", _PHOTOGRAPH),
    ("preview/a.jpg", _PHOTOGRAPH),
    ("Database/a.jpg", _PHOTOGRAPH),
    ("Trash/a.jpg", _PHOTOGRAPH),
    ("eaDir/a.jpg", _PHOTOGRAPH),
    ("Android/media/com.whatsapp/WhatsApp/Media/a.jpg", _PHOTOGRAPH),
    ("Photos Library.photoslibrary/originals/0/0A.heic", _PHOTOGRAPH),
    ("Photos Library.photoslibrary/Masters/2015/01/a.JPG", _PHOTOGRAPH),
    ("iPhoto Library.photolibrary/Masters/2012/a.JPG", _PHOTOGRAPH),
    ("iPhoto Library/Modified/2003/a.JPG", _PHOTOGRAPH),
    ("Lightroom Library.lrlibrary/8d15/originals/2020/a.dng", _PHOTOGRAPH),
    ("My.cocatalog/Originals/2020/a.IIQ", _PHOTOGRAPH),
    ("library/admin/2020/a.jpg", _PHOTOGRAPH),
    # Names that say nothing.
    ("photo.jpg_large", _LOOK_INSIDE),
    ("photo.jpg(1)", _LOOK_INSIDE),
    ("photo.jpg.1", _LOOK_INSIDE),
    ("photo.jpg~", _LOOK_INSIDE),
    ("2020.01.02 12.30.45", _LOOK_INSIDE),
    ("IMG_0001", _LOOK_INSIDE),
    ("photo.", _LOOK_INSIDE),
    ("a picture of my.cat", _LOOK_INSIDE),
    ("a.jpg ", _LOOK_INSIDE),
    ("\udcff.x", _LOOK_INSIDE),
    # Other kinds.
    ("IMG_0001.MOV", Reason.VIDEO),
    ("PXL_20200102.mp4", Reason.VIDEO),
    ("GL010001.LRV", Reason.VIDEO),
    ("IMG_0001.AAE", Reason.SIDECAR),
    ("a.jpg.xmp", Reason.SIDECAR),
    ("a.jpg.supplemental-metadata.json", Reason.SIDECAR),
    ("MVI_0001.THM", Reason.SIDECAR),
    ("a.NEF.dop", Reason.SIDECAR),
    ("note.m4a", Reason.SOUND),
    ("a.psd", Reason.ARTWORK),
    ("Guests.xlsx", Reason.DOCUMENT),
    ("album.zip", Reason.ARCHIVE),
    ("digikam4.db", Reason.DATA),
    ("Lightroom Catalog.lrcat", Reason.DATA),
    ("a.jpg.crdownload", Reason.UNFINISHED),
    ("a.jpg.part", Reason.UNFINISHED),
    # Hidden names.
    (".DS_Store", Reason.HIDDEN),
    ("2020/._IMG_0001.JPG", Reason.HIDDEN),
    (".picasa.ini", Reason.HIDDEN),
    (".picasaoriginals/a.jpg", Reason.HIDDEN),
    ("DCIM/.thumbnails/1.jpg", Reason.HIDDEN),
    ("DCIM/.trashed-1600000000-a.jpg", Reason.HIDDEN),
    (".@__thumb/s800a.jpg", Reason.HIDDEN),
    (".Trashes/501/a.jpg", Reason.HIDDEN),
    (".stversions/a.jpg", Reason.HIDDEN),
    (".photoprism/cache/a.jpg", Reason.HIDDEN),
    # What other programs keep.
    ("2020/@eaDir/IMG_0001.JPG/SYNOPHOTO_THUMB_XL.jpg", Reason.KEPT),
    ("2020/@EADIR/IMG_0001.JPG/SYNOFILE_THUMB_M.jpg", Reason.KEPT),
    ("2020/SYNOFILE_THUMB_M.jpg", Reason.KEPT),
    ("IMG_0001.JPG@SynoEAStream", Reason.KEPT),
    ("#recycle/a.jpg", Reason.KEPT),
    ("#snapshot/GMT+01-2020/a.jpg", Reason.KEPT),
    ("@Recycle/a.jpg", Reason.KEPT),
    ("@Recently-Snapshot/1/a.jpg", Reason.KEPT),
    ("~snapshot/daily/a.jpg", Reason.KEPT),
    ("$RECYCLE.BIN/S-1-5-21/$R1.jpg", Reason.KEPT),
    ("RECYCLER/S-1-5-21-1/Dc1.jpg", Reason.KEPT),
    ("System Volume Information/a.jpg", Reason.KEPT),
    ("Thumbs.db", Reason.KEPT),
    ("2020/THUMBS.DB", Reason.KEPT),
    ("desktop.ini", Reason.KEPT),
    ("ehthumbs.db", Reason.KEPT),
    ("lost+found/1234.jpg", Reason.KEPT),
    ("__MACOSX/2020/a.jpg", Reason.KEPT),
    ("Icon\r", Reason.KEPT),
    ("Android/data/com.app/cache/a.jpg", Reason.KEPT),
    ("Photos Library.photoslibrary/resources/derivatives/0/0A_1_105_c.jpeg", Reason.KEPT),
    ("Photos Library.photoslibrary/private/com.apple/a.jpg", Reason.KEPT),
    ("iPhoto Library.photolibrary/Thumbnails/a.jpg", Reason.KEPT),
    ("iPhoto Library/Data.noindex/2000/a.jpg", Reason.KEPT),
    ("Aperture Library.aplibrary/Previews/a.jpg", Reason.KEPT),
    ("Lightroom Catalog Previews.lrdata/A/a.jpg", Reason.KEPT),
    ("2020/CaptureOne/Cache/Proxies/a.jpg", Reason.KEPT),
    ("My.cocatalog/Cache/a.jpg", Reason.KEPT),
    (f"immich/thumbs/{_UUID}/aa/bb/x-preview.jpeg", Reason.KEPT),
    ("photoprism/storage/cache/thumbnails/1/a/3/x_720x720_fit.jpg", Reason.KEPT),
    ("data/appdata_oc1x2y/preview/a/b/256-256.jpg", Reason.KEPT),
    ("me/files_trashbin/files/a.jpg.d1600000000", Reason.KEPT),
    ("~syncthing~a.jpg.tmp", Reason.KEPT),
]


def verdict(found: Likely | PassedOver) -> Likely | Reason:
    return found.reason if isinstance(found, PassedOver) else found


@pytest.mark.parametrize(("key", "expected"), _NAMES)
def test_a_name_means_the_same_in_a_folder_and_in_a_bucket(key: str, expected: Likely | Reason) -> None:
    rule = PhotoRule()
    assert verdict(rule.in_folder(key)) == expected
    assert verdict(rule.in_bucket(key)) == expected
    assert rule.passes_over(key) == isinstance(expected, Reason)


def test_a_key_that_ends_in_a_slash_is_a_mark_in_a_bucket_and_a_closed_folder_in_a_folder() -> None:
    rule = PhotoRule()
    assert verdict(rule.in_bucket("album/")) == Reason.FOLDER
    assert verdict(rule.in_folder("album/")) == Likely.PHOTOGRAPH
    for key in ("lost+found/", "2020/@eaDir/", "$RECYCLE.BIN/"):
        assert verdict(rule.in_folder(key)) == Reason.KEPT, "nobody need be told that these cannot be read"


def test_what_was_passed_over_says_whose_it_is() -> None:
    found = PhotoRule().in_folder("2020/@eaDir/a.jpg/SYNOPHOTO_THUMB_XL.jpg")
    assert str(found) == "kept by another program (Synology: 2020/@eaDir)"
    assert str(PhotoRule().in_folder("a.MOV")) == "video (.mov)"


def test_a_library_that_is_named_itself_has_its_thumbnails_passed_over_too() -> None:
    rule = PhotoRule(above="/home/me/Photos Library.photoslibrary")
    assert verdict(rule.in_folder("resources/derivatives/a.jpg")) == Reason.KEPT
    assert verdict(rule.in_folder("originals/a.jpg")) == Likely.PHOTOGRAPH
    assert verdict(PhotoRule(above="/volume1/photo/#recycle").in_folder("a.jpg")) == Likely.PHOTOGRAPH


def test_patterns_of_the_settings_come_on_top(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESTREAM_PHOTOS_IGNORE", "Screenshots: /scans/*.tif :*_small.*")
    rule = PhotoRule.of(PhotoSettings())
    for key in ("screenshots/a.jpg", "phone/Screenshots/a.jpg", "scans/a.tif", "b/a_small.jpg"):
        assert verdict(rule.in_bucket(key)) == Reason.IGNORED
    for key in ("old/scans/a.tif", "scans/a.jpg", "a small.jpg"):
        assert verdict(rule.in_bucket(key)) == Likely.PHOTOGRAPH
    assert verdict(rule.in_bucket("@eaDir/a.jpg")) == Reason.KEPT


def test_the_list_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESTREAM_PHOTOS_IGNORE_KNOWN", "false")
    monkeypatch.setenv("FACESTREAM_PHOTOS_IGNORE", "#recycle")
    rule = PhotoRule.of(PhotoSettings())
    assert verdict(rule.in_folder("@eaDir/a.jpg")) == Likely.PHOTOGRAPH
    assert verdict(rule.in_folder("#recycle/a.jpg")) == Reason.IGNORED
    assert verdict(rule.in_folder(".thumbnails/a.jpg")) == Reason.HIDDEN


@pytest.mark.parametrize("patterns", ["*", "a:**", "/", "*/*"])
def test_a_pattern_that_leaves_nothing_over_is_refused(patterns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESTREAM_PHOTOS_IGNORE", patterns)
    with pytest.raises(InvalidInput, match=r"FACESTREAM_PHOTOS_IGNORE: .*leave something over"):
        PhotoSettings()


_STEMS = st.text(min_size=1, max_size=20).filter(lambda text: text[0] != "." and "/" not in text)
_CASES = st.sampled_from([str.lower, str.upper, str.title])


@given(stem=_STEMS, ending=st.sampled_from(sorted(PHOTO_ENDINGS)), case=_CASES)
def test_every_ending_of_photographs_is_one_after_any_name(stem: str, ending: str, case: Callable[[str], str]) -> None:
    assert PhotoRule().in_bucket(f"{stem}.{case(ending)}") == Likely.PHOTOGRAPH


@given(stem=_STEMS, ending=st.sampled_from(sorted(OTHER_ENDINGS)), case=_CASES)
def test_every_ending_of_another_kind_is_passed_over_in_any_case(
    stem: str, ending: str, case: Callable[[str], str]
) -> None:
    assert PhotoRule().passes_over(f"{stem}.{case(ending)}")


@given(key=st.text())
def test_every_name_has_one_answer_that_stays(key: str) -> None:
    rule, again = PhotoRule(), PhotoRule.of(PhotoSettings())
    assert rule.in_bucket(key) == again.in_bucket(key)
    assert key.endswith("/") or rule.in_bucket(key) == rule.in_folder(key)
    assert rule.in_bucket(f"#recycle/{key}") != Likely.PHOTOGRAPH


def test_no_ending_is_of_two_kinds() -> None:
    assert PHOTO_ENDINGS & OTHER_ENDINGS.keys() == set()
    assert RAW_ENDINGS < PHOTO_ENDINGS


def test_a_person_reads_how_many_of_what_were_passed_over() -> None:
    assert passed_over_in_words({}) == passed_over_in_words({Reason.VIDEO: 0}) == ""
    assert passed_over_in_words({Reason.KEPT: 1}) == "1 file was passed over: 1 file kept by another program"
    counts = {Reason.KEPT: 3, Reason.SIDECAR: 4, Reason.VIDEO: 5, Reason.NOT_A_PICTURE: 1, Reason.LINK: 1}
    assert passed_over_in_words(counts) == (
        "14 files were passed over: 5 videos, 4 sidecar files, 3 files kept by other programs, "
        "1 link to what is there itself, 1 file that is not a picture"
    )


def test_the_documentation_has_every_pattern_and_every_ending() -> None:
    table = _DOCS.split("## Kept by other programs")[1]
    for owner, patterns in KEPT_BY.items():
        (row,) = re.findall(rf"^\| {owner} \| (.*) \|$", table, flags=re.MULTILINE)
        assert row == ", ".join(f"`{pattern}`".replace("\r", "\\r") for pattern in patterns)
    for reason in set(OTHER_ENDINGS.values()):
        (row,) = re.findall(rf"^\| {reason.value} \| (.*) \|$", _DOCS, flags=re.MULTILINE)
        assert set(row.split()) == {ending for ending, its in OTHER_ENDINGS.items() if its is reason}
    assert set(re.findall(r"\w+", _DOCS.split("Photographs:\n")[1].split("\n\n")[0])) >= PHOTO_ENDINGS
    for setting in PhotoSettings.model_fields:
        assert f"`FACESTREAM_PHOTOS_{setting.upper()}`" in _DOCS
