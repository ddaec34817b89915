"""The report in a real browser: it draws, it answers to mouse, finger and keys, it fits a phone, it asks nobody."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from services.standalone.report import write_report
from tests.support import browser
from tests.support.browser import Page
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
def chromium() -> Iterator[Page]:
    program = browser.find()
    need(program, "a Chromium browser", "`make browser`, or the package chromium of the system")
    assert program is not None
    with browser.browser(program) as page:
        yield page


def drawn(page: Page) -> Any:
    return page.wait_for("document.getElementById('map-canvas').dataset.drawn")


def place_on_map(page: Page, section: str) -> tuple[float, float]:
    """Return where in the window a dot of a section lies that the pointer cannot take for another."""
    page.evaluate("document.getElementById('map').scrollIntoView()")
    return tuple(
        page.evaluate(f"""(() => {{
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
    chromium: Page, report: Path, tmp_path: Path, size: tuple[int, int], scheme: str
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
    chromium.screenshot(tmp_path / "page.png")
    with Image.open(tmp_path / "page.png") as picture:
        assert picture.size == (width, height)
        colours = picture.convert("RGB").getcolors(maxcolors=1 << 24)
        background = picture.convert("L").getpixel((2, height // 2))
    assert colours is not None
    assert len(colours) > 500
    assert isinstance(background, int | float)
    assert (background < 64) == (scheme == "dark")


def test_the_map_has_ink(chromium: Page, report: Path) -> None:
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


def test_pictures_come_when_a_person_is_looked_at(chromium: Page, report: Path) -> None:
    chromium.open(report, *DESKTOP)
    drawn(chromium)
    last = "[...document.querySelectorAll('.person')].at(-1)"
    assert chromium.evaluate(f"{last}.querySelectorAll('.face').length") == 0
    before = chromium.evaluate(f"{last}.offsetHeight")
    chromium.evaluate(f"{last}.scrollIntoView()")
    chromium.wait_for(f"{last}.querySelectorAll('.face img[src]').length === 9")
    assert chromium.evaluate(f"{last}.offsetHeight") == pytest.approx(before, abs=2)
    assert chromium.evaluate(f"{last}.querySelector('.face img').alt").startswith("Person 3: face in </script>")


def test_a_long_person_shows_the_rest_on_demand(chromium: Page, report: Path) -> None:
    chromium.open(report, *DESKTOP)
    first = "document.querySelector('.person')"
    chromium.evaluate(f"{first}.scrollIntoView()")
    chromium.wait_for(f"{first}.querySelectorAll('.face').length === 36")
    chromium.evaluate(f"{first}.querySelector('.more').click()")
    assert chromium.evaluate(f"{first}.querySelectorAll('.face').length") == 60


def test_the_pointer_shows_a_face_of_the_map_and_a_click_goes_to_its_person(chromium: Page, report: Path) -> None:
    chromium.open(report, *DESKTOP)
    drawn(chromium)
    x, y = place_on_map(chromium, "Person 2")
    chromium.move(x, y)
    chromium.wait_for("!document.getElementById('map-tip').hidden")
    assert chromium.evaluate("document.querySelector('#map-tip .who').textContent") == "Person 2"
    assert "</script>" in chromium.evaluate("document.querySelector('#map-tip .key').textContent")
    chromium.wait_for("document.querySelector('#map-tip img').naturalWidth > 0")
    chromium.click(x, y)
    anchor = chromium.evaluate("document.querySelectorAll('.person')[1].id")
    chromium.wait_for(f"location.hash === '#{anchor}'")
    chromium.wait_for("document.querySelectorAll('.person')[1].querySelector('.face img[src]') !== null")
    top = chromium.evaluate("document.querySelectorAll('.person')[1].getBoundingClientRect().top")
    assert 0 < top < 120  # below the bar of links


def test_a_finger_shows_a_face_first_and_goes_there_next(chromium: Page, report: Path) -> None:
    chromium.open(report, *PHONE, touch=True)
    drawn(chromium)
    x, y = place_on_map(chromium, "Person 1")
    chromium.tap(x, y)
    chromium.wait_for("!document.getElementById('map-tip').hidden")
    assert chromium.evaluate("location.hash") == ""
    assert chromium.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    chromium.tap(x, y)
    chromium.wait_for("location.hash.startsWith('#person-')")


def test_the_map_is_walked_and_zoomed_with_keys(chromium: Page, report: Path) -> None:
    chromium.open(report, *DESKTOP)
    drawn(chromium)
    chromium.evaluate("document.getElementById('map-canvas').focus()")
    chromium.press("ArrowRight")
    first = chromium.wait_for("document.querySelector('#map-tip:not([hidden]) .key')?.textContent")
    chromium.press("ArrowLeft")
    assert chromium.wait_for("document.querySelector('#map-tip:not([hidden]) .key')?.textContent") != first
    chromium.press("+")
    chromium.wait_for("document.getElementById('map-canvas').classList.contains('zoomed')")
    chromium.press("0")
    chromium.wait_for("!document.getElementById('map-canvas').classList.contains('zoomed')")


def test_a_face_opens_larger_and_the_arrow_keys_turn_pages(chromium: Page, report: Path) -> None:
    chromium.open(report, *DESKTOP)
    chromium.evaluate("document.querySelector('.person').scrollIntoView()")
    chromium.wait_for("document.querySelector('.face img[src]') !== null")
    chromium.evaluate("document.querySelector('.person .face').focus()")
    chromium.press("Enter")
    chromium.wait_for("document.getElementById('detail').open")
    facts = chromium.evaluate("document.querySelector('#detail dl').textContent")
    assert "Similarity1.000" in facts
    assert "1 of 60" in facts
    chromium.press("ArrowRight")
    assert "2 of 60" in chromium.evaluate("document.querySelector('#detail dl').textContent")
    chromium.press("Escape")
    chromium.wait_for("!document.getElementById('detail').open")
    assert chromium.evaluate("document.activeElement.className") == "face"


def test_a_report_of_nothing_says_so(chromium: Page, tmp_path: Path) -> None:
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
