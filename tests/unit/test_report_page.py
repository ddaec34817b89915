"""The report as a file."""

import base64
import io
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from services.detector.scale import smallest_face
from services.detector.settings import DetectorSettings
from services.standalone.report import write_report
from services.standalone.report.content import ReportRecords, ReportSettings, build
from services.standalone.report.page import render
from shared.adapters.memory.objects import MemoryObjectStore
from shared.domain.events import Outcome
from shared.domain.records import ImageRecord
from shared.errors import Transient
from shared.ports.objects import ObjectStore, StoredObject
from tests.support.report_page import Reader, check_private
from tools.drawn_people import WHEN, Album, album


def write(of: Album, path: Path, objects: ObjectStore | None = None) -> str:
    write_report(
        of.repository,
        objects or of.objects,
        path,
        faces_bucket="faces",
        similarity_threshold=0.75,
        sharpness_threshold=25,
    )
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def small() -> Album:
    # Seven vectors are too few for t-SNE, whose imports take longer than all of these tests.
    return album([4, 2], unknown=1, blurry=2, unreadable=2, empty=1, pictures=1)


def test_the_same_records_give_the_same_bytes(small: Album, tmp_path: Path) -> None:
    assert write(small, tmp_path / "one.html") == write(small, tmp_path / "two" / "two.html")


def test_the_page_holds_every_person_face_and_failure(small: Album, tmp_path: Path) -> None:
    page = Reader(write(small, tmp_path / "report.html"))
    (data,) = page.data("data")
    assert isinstance(data, dict)
    assert [(section["kind"], section["count"]) for section in data["sections"]] == [
        ("person", 4),
        ("person", 2),
        ("unknown", 1),
        ("rejected", 2),
    ]
    anchors = {attributes.get("id") for tag, attributes in page.tags if tag == "section"}
    for person in small.repository.clusters(1):
        assert f"person-{person.cluster_id}" in anchors
    assert "the image data ends early" in page.inside["td"]
    assert len(data["photo"]) == 9


def test_pictures_are_small_webp_in_the_order_of_the_faces(small: Album, tmp_path: Path) -> None:
    (block,) = Reader(write(small, tmp_path / "report.html")).data("thumbnails-")
    assert isinstance(block, list)
    assert len(block) == 9
    for text in block:
        with Image.open(io.BytesIO(base64.b64decode(text))) as picture:
            assert (picture.format, picture.size) == ("WEBP", (160, 160))


def test_a_face_without_a_readable_crop_stays_without_a_picture(tmp_path: Path) -> None:
    broken = album([4], pictures=1)
    gone, damaged, *_ = [face.crop_key for face in broken.repository.faces()]
    broken.objects.remove("faces", [gone])
    broken.objects.put("faces", damaged, b"\x89PNG\r\n\x1a\nno more", "image/png")
    (block,) = Reader(write(broken, tmp_path / "report.html")).data("thumbnails-")
    assert isinstance(block, list)
    assert [bool(text) for text in block].count(False) == 2


HOSTILE = (
    "<script>window.hacked = {number}</script>.jpg",
    "</script><script>window.hacked = 1</script>{number}.jpg",
    "\"><img src=x onerror='window.hacked = 1'>{number}.jpg",
    "{{{{ 7 * 7 }}}} & <b>{number}</b>.jpg",
    "\u202egpj.exe{number}",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text_and_nothing_else(name: str, tmp_path: Path) -> None:
    harmless = Reader(write(album([3], unreadable=1, empty=1, pictures=1), tmp_path / "harmless.html"))
    page = Reader(write(album([3], unreadable=1, empty=1, pictures=1, name=name), tmp_path / "report.html"))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in harmless.tags]
    (data,) = page.data("data")
    assert isinstance(data, dict)
    assert data["photos"] == [name.format(number=number) for number in (0, 1, 2, 4)]
    assert page.inside["td"][0] == name.format(number=3)


def test_a_name_that_is_not_unicode_is_written(tmp_path: Path) -> None:
    odd = album([], unreadable=1)
    odd.repository.save_images([replace(image, key="\udcff0.jpg") for image in odd.repository.images()])
    page = Reader(write(odd, tmp_path / "report.html"))
    assert page.inside["td"][0] == r"\udcff0.jpg"


def test_nothing_but_the_page_itself_may_run_or_be_loaded(small: Album, tmp_path: Path) -> None:
    page = Reader(write(small, tmp_path / "report.html"))
    check_private(page)


@pytest.mark.parametrize(
    ("of", "sentence"),
    [
        (album(), "There is no photograph here yet."),
        (album([], empty=2), "No photograph had a face."),
        (album([], unreadable=2), "No photograph had a face."),
        (album([], unknown=2), "No people yet: the faces have not been grouped."),
    ],
)
def test_an_empty_report_says_so(of: Album, sentence: str, tmp_path: Path) -> None:
    assert sentence in Reader(write(of, tmp_path / "report.html")).inside["p"]


def test_a_report_that_fails_half_way_leaves_the_old_one(small: Album, tmp_path: Path) -> None:
    class Failing(MemoryObjectStore):
        def get(self, bucket: str, key: str, limit: int) -> StoredObject:  # noqa: ARG002  of the port
            raise Transient(bucket + key)

    path = tmp_path / "report.html"
    path.write_text("the old one")
    with pytest.raises(Transient):
        write(small, path, Failing())
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
    assert path.read_text() == "the old one"


def test_what_could_not_be_found_on_wide_photographs_is_told_in_words() -> None:
    wide = [
        ImageRecord(name, name, "photos", name, "etag", 9, WHEN, Outcome.DETECTED, width=width, height=4000)
        for name, width in (("a.jpg", 20_000), ("b.jpg", 4000), ("c.jpg", 800))
    ]

    def told(images: list[ImageRecord]) -> list[str]:
        report = build(
            ReportRecords(images=images, faces=[], generation=None),
            ReportSettings(faces_bucket="faces", similarity_threshold=0.75, sharpness_threshold=25),
            project=lambda vectors: vectors,
            smallest_face=partial(smallest_face, settings=DetectorSettings()),
        )
        return [text for text in Reader("".join(render(report, ()))).inside["p"] if "could not be found" in text]

    (text,) = told(wide)
    assert text.startswith(
        "On 2 photographs, faces of 100 pixels in width could not be found, on the widest none below 1,000 pixels:"
    )
    (text,) = told(wide[1:])
    assert text.startswith("On 1 photograph, faces of 100 pixels in width could not be found, none below 200 pixels:")
    assert told(wide[2:]) == []
