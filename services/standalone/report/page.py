"""The report, and a map of labels, as one HTML file that needs nothing else: no server, no network, no other file."""

import base64
import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from services.detector.scale import smallest_face
from services.detector.settings import DetectorSettings
from services.standalone.report.content import PLAIN_FACE, Report, ReportRecords, ReportSettings, Run, build
from services.standalone.report.faces import MAP_SIDE, whole_numbers
from services.standalone.report.thumbnails import thumbnail_width, thumbnails
from services.standalone.tsne import embed_2d
from shared.atomic_output import whole_file
from shared.embedding_tables import TextFile
from shared.ports.objects import ObjectStore
from shared.ports.repository import FaceRepository

_PACKAGE = "services.standalone.report"
_REPORT_SCRIPTS = ("data.js", "tiles.js", "detail.js", "map.js")
_MAP_SCRIPTS = ("data.js", "map.js")
_BLOCK = 200  # thumbnails that the page decodes together


def write_report(
    repository: FaceRepository,
    objects: ObjectStore,
    destination: Path,
    *,
    faces_bucket: str,
    similarity_threshold: float,
    sharpness_threshold: float,
    passed_over: Sequence[tuple[str, str]] = (),
) -> None:
    """Write the page to the file `destination`, which is replaced when the new one is complete. See `write_page`."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(destination) as draft, open_page(draft) as file:
        settings = ReportSettings(
            faces_bucket=faces_bucket,
            similarity_threshold=similarity_threshold,
            sharpness_threshold=sharpness_threshold,
        )
        write_page(repository, objects, file, settings, passed_over=passed_over)


def open_page(path: Path) -> TextIO:
    """Open a file for a page. Names that are not valid Unicode are written with escapes."""
    return path.open("w", encoding="utf-8", errors="backslashreplace", newline="\n")


def write_page(
    repository: FaceRepository,
    objects: ObjectStore,
    file: TextFile,
    settings: ReportSettings,
    *,
    passed_over: Sequence[tuple[str, str]] = (),
) -> None:
    """Write the contents of the database as one page. The same records and crops give the same bytes.

    Args:
        repository: is read once from beginning to end. Only the vectors on the map, at most `MAP_FACES`, are kept in
            memory.
        objects: has the crops. They are read one by one while the page is written.
        file: takes HTML in UTF-8. Open it with `errors="backslashreplace"`, since names that are not valid Unicode
            contain halves of surrogate pairs.
        settings: the bucket of the crops, and what the page shows beside the records.
        passed_over: keys of the files that are no photographs, and why.
    """
    generation = repository.active_generation()
    number = generation.number if generation else None
    records = ReportRecords(
        images=repository.images(),
        faces=repository.faces(),
        generation=generation,
        clusters=() if number is None else repository.clusters(number),
        memberships={} if number is None else {member.face_id: member for member in repository.memberships(number)},
        passed_over=passed_over,
    )
    report = build(
        records,
        settings,
        project=partial(embed_2d, seed=settings.seed),
        smallest_face=partial(smallest_face, settings=DetectorSettings()),
    )
    width = thumbnail_width(len(report.faces))
    pictures = thumbnails(objects, settings.faces_bucket, (face.crop_key for face in report.faces), width)
    for piece in render(report, pictures):
        file.write(piece)


def render(report: Report, pictures: Iterable[str]) -> Iterator[str]:
    """Yield the page in pieces. `pictures`: a WebP in base64 for each face of the report, in the same order."""
    return _fill_in(
        "report.html.j2",
        _REPORT_SCRIPTS,
        report=report,
        plain_face=PLAIN_FACE,
        data=_data(report),
        blocks=_blocks(pictures),
    )


def render_map(groups: Mapping[str, Sequence[int]], points: NDArray[np.float32], names: Sequence[str]) -> Iterator[str]:
    """Yield in pieces the page of a map of labels: the map of a report without pictures, with a list of the labels.

    Args:
        groups: the rows of each label, in the order of the list. Each row has one label.
        points: shape (n, 2), float32, no unit: the position of each row.
        names: of length n, shown beside the dot under the pointer.
    """
    rows = [row for members in groups.values() for row in members]
    positions = whole_numbers(points[rows])
    firsts = itertools.accumulate(map(len, groups.values()), initial=0)
    sections = [
        _section("person", label or "(no label)", f"label-{number}", Run(first, len(members)))
        for number, ((label, members), first) in enumerate(zip(groups.items(), firsts, strict=False), 1)
    ]
    data = {
        "side": MAP_SIDE,
        "photos": [names[row] for row in rows],
        "photo": list(range(len(rows))),
        "similarity": [None] * len(rows),
        "x": [x for x, _ in positions],
        "y": [y for _, y in positions],
        "sections": sections,
    }
    return _fill_in("map.html.j2", _MAP_SCRIPTS, data=data)


def _fill_in(template: str, scripts: Sequence[str], **values: object) -> Iterator[str]:
    """Yield in pieces a page that loads nothing, and runs only the scripts with these names."""
    # With autoescape, because names of photographs come from strangers.
    environment = Environment(
        loader=PackageLoader(_PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    style = _asset("report.css")
    sources = [_asset(name) for name in scripts]
    return environment.get_template(template).generate(
        **values,
        style=style,
        scripts=sources,
        # Nothing may be loaded, and only the page's own scripts may run, even if a name contains HTML.
        policy=f"default-src 'none'; img-src data:; style-src {_hash(style)}; "
        f"script-src {' '.join(map(_hash, sources))}; base-uri 'none'; form-action 'none'",
    )


def _data(report: Report) -> dict[str, Any]:
    """Arrange the data of the scripts in columns, which take half the size of one object per face."""
    faces = report.faces
    numbers = {person.cluster_id: index for index, person in enumerate(report.people)}
    unknown = faces[report.unknown.first : report.unknown.first + report.unknown.count]
    return {
        "side": MAP_SIDE,
        "block": _BLOCK,
        "photos": report.photos,
        "photo": [face.photo for face in faces],
        "similarity": [None if face.similarity is None else round(face.similarity, 4) for face in faces],
        "sharpness": [round(face.sharpness, 1) for face in faces],
        "score": [round(face.score, 2) for face in faces],
        "x": [face.position and face.position[0] for face in faces],
        "y": [face.position and face.position[1] for face in faces],
        "nearest": [numbers.get(face.nearest or "") for face in unknown],
        "sections": [
            *(
                _section("person", f"Person {person.number}", f"person-{person.cluster_id}", person.faces)
                for person in report.people
            ),
            _section("unknown", "Unknown", "unknown", report.unknown),
            *(
                _section("rejected", f"Rejected: {rejection.reason}", "rejected", rejection.faces)
                for rejection in report.rejections
            ),
        ],
    }


def _section(kind: str, title: str, anchor: str, run: Run) -> dict[str, str | int]:
    return {"kind": kind, "title": title, "anchor": anchor, "first": run.first, "count": run.count}


def _blocks(pictures: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(pictures)
    while block := list(itertools.islice(rest, _BLOCK)):
        yield block


def _asset(name: str) -> str:
    return (resources.files(_PACKAGE) / "templates" / name).read_text(encoding="utf-8")


def _hash(source: str) -> str:
    """Return the hash of an inline script or style, as a content security policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode('ascii')}'"
