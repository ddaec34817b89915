"""The report in a real browser: it draws, it answers to mouse, finger and keys, it fits a phone, it asks nobody."""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from PIL import Image

from services.standalone.report import write_map, write_report
from tools import browser
from tools.browser import Chromium
from tools.drawn_people import album
from tools.requirements import need

pytestmark = pytest.mark.slow

HOSTILE = "</script><script>window.hacked=1</script><img src=x onerror='window.hacked=1'>{number}"
DESKTOP, PHONE = (1280, 900), (375, 740)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    filled = album([60, 12, 9], unknown=6, blurry=5, unreadable=2, empty=3, pictures=1, name=HOSTILE)
    write_report(
        filled.repository,
        filled.objects,
        path,
        faces_bucket="faces",
        similarity_threshold=0.75,
        sharpness_threshold=25,
    )
    return path


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    program = browser.find()
    need(program, "a Chromium browser", "`make browser`, or the package chromium of the system")
    assert program is not None
    with browser.browser(program) as started:
        yield started


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("<script>throw Error('one')</script>", "one"),
        ("<script>console.warn('two')</script>", "warning: two"),
        ("<p style='color: red'>three</p>", "Content Security Policy"),
        ("<img src='http://127.0.0.1:9/picture'>", "Content Security Policy"),
    ],
)
def test_the_browser_hears_what_a_page_complains_of(
    chromium: Chromium, tmp_path: Path, body: str, problem: str
) -> None:
    digest = base64.b64encode(hashlib.sha256(body[8:-9].encode()).digest()).decode()
    policy = f"default-src 'none'; script-src 'sha256-{digest}'"
    (tmp_path / "page.html").write_text(f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n{body}')
    chromium.open(tmp_path / "page.html", *DESKTOP)
    chromium.page.wait_for_timeout(100)
    assert problem in "".join(chromium.problems)


def test_the_browser_hears_what_a_page_asks_for(chromium: Chromium, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<body><img src='http://127.0.0.1:9/picture'>")
    chromium.open(tmp_path / "page.html", *DESKTOP)
    assert chromium.requests == [(tmp_path / "page.html").as_uri(), "http://127.0.0.1:9/picture"]


def drawn(chromium: Chromium) -> Any:
    return chromium.wait_for("document.getElementById('map-canvas').dataset.drawn")


def place_on_map(chromium: Chromium, section: str) -> tuple[float, float]:
    """Return where in the window a dot of a section lies that the pointer cannot take for another."""
    chromium.evaluate("document.getElementById('map').scrollIntoView()")
    return tuple(
        chromium.evaluate(f"""(() => {{
      const canvas = document.getElementById('map-canvas'), box = canvas.getBoundingClientRect();
      const fit = (Math.min(box.width, box.height) - 62) / data.side;
      const at = (face) => [box.left + box.width / 2 + (data.x[face] - data.side / 2) * fit,
                            box.top + (box.height + 34) / 2 + (data.side / 2 - data.y[face]) * fit];
      const all = data.x.map((x, face) => face).filter((face) => data.x[face] !== null);
      const own = all.filter((face) => sectionOfFace(face).title === {json.dumps(section)});
      const gap = (face) => Math.min(...all.filter((other) => sectionOfFace(other) !== sectionOfFace(face))
        .map((other) => Math.hypot(at(face)[0] - at(other)[0], at(face)[1] - at(other)[1])));
      return at(own.sort((one, other) => gap(other) - gap(one))[0]);
    }})()""")
    )


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_drawn_without_a_complaint_or_a_request(
    chromium: Chromium, report: Path, tmp_path: Path, size: tuple[int, int], scheme: Literal["light", "dark"]
) -> None:
    width, height = size
    chromium.open(report, width, height, touch=size == PHONE, scheme=scheme)
    assert drawn(chromium) == str(81 + 6)
    assert chromium.evaluate("document.querySelectorAll('section.person').length") == 3
    assert chromium.evaluate("document.documentElement.scrollWidth") <= width
    assert chromium.evaluate("window.hacked") is None
    assert chromium.problems == []
    assert [url for url in chromium.requests if not url.startswith("data:image/webp;")] == [report.as_uri()]

    chromium.wait_for("document.querySelector('.people img').naturalWidth > 0")
    chromium.page.screenshot(path=tmp_path / "page.png")
    with Image.open(tmp_path / "page.png") as picture:
        assert picture.size == (width, height)
        colours = picture.convert("RGB").getcolors(maxcolors=1 << 24)
        background = picture.convert("L").getpixel((2, height // 2))
    assert colours is not None
    assert len(colours) > 500
    assert isinstance(background, int | float)
    assert (background < 64) == (scheme == "dark")


def test_the_map_has_ink(chromium: Chromium, report: Path) -> None:
    chromium.open(report, *DESKTOP)
    drawn(chromium)
    assert (
        chromium.evaluate("""(() => {
      const canvas = document.getElementById('map-canvas');
      const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
      return pixels.filter((value, at) => at % 4 === 3 && value > 128).length;
    })()""")
        > 87 * 20
    )


def test_pictures_come_when_a_person_is_looked_at(chromium: Chromium, report: Path) -> None:
    chromium.open(report, *DESKTOP)
    drawn(chromium)
    last = "[...document.querySelectorAll('.person')].at(-1)"
    assert chromium.evaluate(f"{last}.querySelectorAll('.face').length") == 0
    before = chromium.evaluate(f"{last}.offsetHeight")
    chromium.evaluate(f"{last}.scrollIntoView()")
    chromium.wait_for(f"{last}.querySelectorAll('.face img[src]').length === 9")
    assert chromium.evaluate(f"{last}.offsetHeight") == pytest.approx(before, abs=2)
    assert chromium.evaluate(f"{last}.querySelector('.face img').alt").startswith("Person 3: face in </script>")


def test_a_long_person_shows_the_rest_on_demand(chromium: Chromium, report: Path) -> None:
    chromium.open(report, *DESKTOP)
    first = "document.querySelector('.person')"
    chromium.evaluate(f"{first}.scrollIntoView()")
    chromium.wait_for(f"{first}.querySelectorAll('.face').length === 36")
    chromium.evaluate(f"{first}.querySelector('.more').click()")
    assert chromium.evaluate(f"{first}.querySelectorAll('.face').length") == 60


def test_the_pointer_shows_a_face_of_the_map_and_a_click_goes_to_its_person(chromium: Chromium, report: Path) -> None:
    chromium.open(report, *DESKTOP)
    drawn(chromium)
    x, y = place_on_map(chromium, "Person 2")
    chromium.page.mouse.move(x, y)
    chromium.wait_for("!document.getElementById('map-tip').hidden")
    assert chromium.evaluate("document.querySelector('#map-tip .who').textContent") == "Person 2"
    assert "</script>" in chromium.evaluate("document.querySelector('#map-tip .key').textContent")
    chromium.wait_for("document.querySelector('#map-tip img').naturalWidth > 0")
    chromium.page.mouse.click(x, y)
    anchor = chromium.evaluate("document.querySelectorAll('.person')[1].id")
    chromium.wait_for(f"location.hash === '#{anchor}'")
    chromium.wait_for("document.querySelectorAll('.person')[1].querySelector('.face img[src]') !== null")
    top = chromium.evaluate("document.querySelectorAll('.person')[1].getBoundingClientRect().top")
    assert 0 < top < 120  # below the bar of links


def test_a_finger_shows_a_face_first_and_goes_there_next(chromium: Chromium, report: Path) -> None:
    chromium.open(report, *PHONE, touch=True)
    drawn(chromium)
    x, y = place_on_map(chromium, "Person 1")
    chromium.page.touchscreen.tap(x, y)
    chromium.wait_for("!document.getElementById('map-tip').hidden")
    assert chromium.evaluate("location.hash") == ""
    assert chromium.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    chromium.page.touchscreen.tap(x, y)
    chromium.wait_for("location.hash.startsWith('#person-')")


def test_the_map_is_walked_and_zoomed_with_keys(chromium: Chromium, report: Path) -> None:
    chromium.open(report, *DESKTOP)
    drawn(chromium)
    chromium.evaluate("document.getElementById('map-canvas').focus()")
    chromium.page.keyboard.press("ArrowRight")
    first = chromium.wait_for("document.querySelector('#map-tip:not([hidden]) .key')?.textContent")
    chromium.page.keyboard.press("ArrowLeft")
    assert chromium.wait_for("document.querySelector('#map-tip:not([hidden]) .key')?.textContent") != first
    chromium.page.keyboard.press("+")
    chromium.wait_for("document.getElementById('map-canvas').classList.contains('zoomed')")
    chromium.page.keyboard.press("0")
    chromium.wait_for("!document.getElementById('map-canvas').classList.contains('zoomed')")


def test_a_face_opens_larger_and_the_arrow_keys_turn_pages(chromium: Chromium, report: Path) -> None:
    chromium.open(report, *DESKTOP)
    chromium.evaluate("document.querySelector('.person').scrollIntoView()")
    chromium.wait_for("document.querySelector('.face img[src]') !== null")
    chromium.evaluate("document.querySelector('.person .face').focus()")
    chromium.page.keyboard.press("Enter")
    chromium.wait_for("document.getElementById('detail').open")
    facts = chromium.evaluate("document.querySelector('#detail dl').textContent")
    assert "Similarity1.000" in facts
    assert "1 of 60" in facts
    chromium.page.keyboard.press("ArrowRight")
    assert "2 of 60" in chromium.evaluate("document.querySelector('#detail dl').textContent")
    chromium.page.keyboard.press("Escape")
    chromium.wait_for("!document.getElementById('detail').open")
    assert chromium.evaluate("document.activeElement.className") == "face"


def test_a_report_of_nothing_says_so(chromium: Chromium, tmp_path: Path) -> None:
    nothing = album([], empty=2)
    path = tmp_path / "report.html"
    write_report(
        nothing.repository,
        nothing.objects,
        path,
        faces_bucket="faces",
        similarity_threshold=0.75,
        sharpness_threshold=25,
    )
    chromium.open(path, *PHONE, touch=True)
    assert (
        chromium.evaluate("document.querySelector('.empty:not(noscript *)').textContent") == "No photograph had a face."
    )
    assert chromium.problems == []


@pytest.fixture(scope="module")
def label_map(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(1)
    labels = [HOSTILE.format(number=0), "Person 2", "", *[f"person {number}" for number in range(3, 12)]]
    centres = np.repeat(rng.normal(size=(len(labels), 32)), 20, axis=0)
    vectors = (centres + 0.3 * rng.normal(size=centres.shape)).astype(np.float32)
    path = tmp_path_factory.mktemp("map") / "map.html"
    names = [HOSTILE.format(number=number) for number in range(len(vectors))]
    write_map(np.repeat(labels, 20).tolist(), vectors / np.linalg.norm(vectors, axis=1, keepdims=True), path, names)
    return path


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_map_of_labels_is_drawn_without_a_complaint_or_a_request(
    chromium: Chromium, label_map: Path, tmp_path: Path, size: tuple[int, int], scheme: Literal["light", "dark"]
) -> None:
    width, height = size
    chromium.open(label_map, width, height, touch=size == PHONE, scheme=scheme)
    assert drawn(chromium) == "240"
    assert chromium.evaluate("document.documentElement.scrollWidth") <= width
    assert chromium.evaluate("window.hacked") is None
    assert chromium.problems == []
    assert chromium.requests == [label_map.as_uri()]
    chromium.evaluate("document.getElementById('map').scrollIntoView()")
    chromium.page.screenshot(path=tmp_path / "map.png")
    with Image.open(tmp_path / "map.png") as picture:
        colours, counts = np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0, return_counts=True)
    assert len(colours[(counts > 12) & (np.ptp(colours.astype(int), axis=1) > 60)]) >= 12


def test_the_pointer_shows_the_label_and_the_name_of_a_dot_and_a_click_goes_to_the_label(
    chromium: Chromium, label_map: Path
) -> None:
    chromium.open(label_map, *DESKTOP)
    drawn(chromium)
    x, y = place_on_map(chromium, "Person 2")
    chromium.page.mouse.move(x, y)
    chromium.wait_for("!document.getElementById('map-tip').hidden")
    assert chromium.evaluate("document.querySelector('#map-tip .who').textContent") == "Person 2"
    assert chromium.evaluate("document.querySelector('#map-tip .key').textContent") in {
        HOSTILE.format(number=number) for number in range(20, 40)
    }
    chromium.page.mouse.click(x, y)
    chromium.wait_for("document.querySelector(':target')?.textContent.trim() === 'Person 2 20 faces'")
    assert chromium.problems == []


def test_a_map_of_labels_is_zoomed_and_shows_one_label(chromium: Chromium, label_map: Path) -> None:
    chromium.open(label_map, *DESKTOP)
    drawn(chromium)
    assert chromium.evaluate("document.getElementById('map-group').options.length") == 13
    pixels = "document.getElementById('map-canvas').toDataURL()"
    whole = chromium.evaluate(pixels)
    frame = "new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"
    chromium.evaluate(
        "(chooser => { chooser.value = '3'; chooser.dispatchEvent(new Event('change')); })"
        "(document.getElementById('map-group'))"
    )
    chromium.evaluate(frame)
    one = chromium.evaluate(pixels)
    assert one != whole
    chromium.evaluate("document.querySelector('[data-zoom=in]').click()")
    chromium.wait_for("document.getElementById('map-canvas').classList.contains('zoomed')")
    chromium.evaluate(frame)
    assert chromium.evaluate(pixels) not in {one, whole}
    assert chromium.problems == []


def test_a_map_of_nothing_says_so(chromium: Chromium, tmp_path: Path) -> None:
    write_map([], np.empty((0, 4), np.float32), tmp_path / "map.html", [])
    chromium.open(tmp_path / "map.html", *PHONE, touch=True)
    assert chromium.evaluate("document.querySelector('.empty:not(noscript *)').textContent") == "There is no face here."
    assert chromium.problems == []
