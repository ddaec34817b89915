"""The commands that read CSV files, on files small enough to see the answer."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import app, main
from shared.errors import InvalidInput
from tests.support.synthetic_faces import embeddings


def facestream(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def rows_of(file: Path) -> list[list[str]]:
    return [line.split(",") for line in file.read_text().splitlines()]


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Three points on a line for one label, of which the middle one is the medoid, and one for another label."""
    file = tmp_path / "faces.csv"
    file.write_text("0,1,2,3\nc/1.png,c,1.0,0.0\nc/2.png,c,1.0,0.1\na/1.png,a,-1.0,0.5\nc/3.png,c,1.0,0.3\n")
    return file


def test_the_medoid_is_the_member_nearest_to_all_others(faces: Path, tmp_path: Path) -> None:
    result = facestream("get-medoids", faces, tmp_path / "medoids.csv")
    assert (tmp_path / "medoids.csv").read_text() == "c,1.0,0.1\na,-1.0,0.5\n"
    assert result.stdout == f"4 embeddings: 2 medoids in {tmp_path / 'medoids.csv'}\n"


@pytest.mark.parametrize("same", ["faces.csv", "medoids.csv", "a link.csv"])
def test_a_file_that_is_read_is_not_written_over(faces: Path, tmp_path: Path, same: str) -> None:
    medoids = tmp_path / "medoids.csv"
    medoids.write_text("c,1.0,0.1\n")
    (tmp_path / "a link.csv").symlink_to(faces)
    before = faces.read_text(), medoids.read_text()
    with pytest.raises(InvalidInput, match="expected another file than one that is read"):
        facestream("validate", medoids, faces, tmp_path / same)
    if same != "medoids.csv":
        with pytest.raises(InvalidInput, match="expected another file than one that is read"):
            facestream("get-medoids", faces, tmp_path / same)
    assert (faces.read_text(), medoids.read_text()) == before


def test_of_two_members_the_first_is_the_medoid_and_of_four_corners_too(tmp_path: Path) -> None:
    file, out = tmp_path / "faces.csv", tmp_path / "medoids.csv"
    square = "s1,s,1.3,2.7\ns2,s,2.3,2.7\ns3,s,2.3,3.7\ns4,s,1.3,3.7\n"
    file.write_text("0,1,2,3\np1,p,5,6\np2,p,7,8\n" + square)
    facestream("get-medoids", file, out)
    assert out.read_text() == "p,5.0,6.0\ns,1.3,2.7\n"


def test_a_face_gets_the_label_of_the_most_similar_medoid_from_the_threshold_on(tmp_path: Path) -> None:
    medoids, faces, out = (tmp_path / name for name in ("medoids.csv", "faces.csv", "out.csv"))
    medoids.write_text("0.0,1,0\n1.0,0,1\nanna,-1,0\n")
    rows = ["1.png,x,1,0", "2.png,x,0.6,0.8", "3.png,x,0.8,0.6", "4.png,x,0.7,-0.75", "5.png,x,-9,1"]
    faces.write_text("\n".join(["0,1,2,3", *rows]))
    facestream("validate", medoids, faces, out)
    expected = [["1.png", "0"], ["2.png", "1"], ["3.png", "0"], ["4.png", "unknown"], ["5.png", "anna"]]
    assert rows_of(out) == expected
    facestream("validate", medoids, faces, out, "--threshold", "0.9")
    assert [label for _, label in rows_of(out)] == ["0", "unknown", "unknown", "unknown", "anna"]


def test_the_medoids_of_a_file_find_their_own_members(faces: Path, tmp_path: Path) -> None:
    facestream("get-medoids", faces, tmp_path / "medoids.csv")
    facestream("validate", tmp_path / "medoids.csv", faces, tmp_path / "out.csv")
    assert [label for _, label in rows_of(tmp_path / "out.csv")] == ["c", "c", "a", "c"]


@pytest.mark.parametrize("width", [128, 512])
def test_chinese_whispers_prints_the_clusters_the_largest_first(tmp_path: Path, width: int) -> None:
    vectors = embeddings([4, 7, 1], dimension=width)
    file = tmp_path / "faces.csv"
    rows = [[*map(str, vector), f"{number}.png"] for number, vector in enumerate(vectors)]
    file.write_text("\n".join(",".join(row) for row in [list(map(str, range(width + 1))), *rows]))
    clusters = [json.loads(line) for line in facestream("chinese-whispers", file).stdout.splitlines()]
    assert clusters == [[f"{number}.png" for number in range(4, 11)], [f"{number}.png" for number in range(4)]]
    plain = facestream("chinese-whispers", file, "--reference").stdout.splitlines()
    assert [json.loads(line) for line in plain] == clusters
    first = [json.loads(line) for line in facestream("chinese-whispers", file, "--rows", 5).stdout.splitlines()]
    assert first == [[f"{number}.png" for number in range(4)]]


def test_lengths_do_not_matter_for_who_is_similar(tmp_path: Path) -> None:
    file = tmp_path / "faces.csv"
    file.write_text("1,2,3\n1000,0,a\n0.001,0,b\n0,1e200,c\n1e-200,1e-200,d\n")
    assert facestream("chinese-whispers", file, "--threshold", "0.75").stdout == '["a", "b"]\n'


@pytest.mark.parametrize("ending", ["html", "png"])
def test_a_map_is_drawn_and_the_same_again(faces: Path, tmp_path: Path, ending: str) -> None:
    first, second = tmp_path / f"first.{ending}", tmp_path / f"second.{ending}"
    assert facestream("tsne", faces, first).stdout == f"4 embeddings, 2 labels: a map in {first}\n"
    facestream("tsne", faces, second)
    assert first.read_bytes() == second.read_bytes()
    assert len(first.read_bytes()) > 1000


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int | str | None:
    monkeypatch.setattr("sys.argv", ["facestream", *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_of:
        main()
    return exit_of.value.code


@pytest.mark.parametrize("command", ["chinese-whispers", "get-medoids", "validate", "tsne"])
def test_a_bad_file_ends_in_one_line_on_the_error_stream_status_2_and_no_output(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "[bad].csv"
    bad.write_text("0,1,2,3\n0,0,0,0\n")
    out = [] if command == "chinese-whispers" else [tmp_path / "out.png"]
    inputs = [bad, bad] if command == "validate" else [bad]
    assert run_main(monkeypatch, command, *inputs, *out) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"error: {bad}, row ")
    assert printed.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["[bad].csv"]


def test_medoids_of_another_model_are_refused(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "medoids.csv").write_text("0,1,0,0\n")
    assert run_main(monkeypatch, "validate", tmp_path / "medoids.csv", faces, tmp_path / "out.csv") == 2
    assert "expected vectors of one width, found 3 and 2 values" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


def test_a_map_of_another_kind_is_refused(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(monkeypatch, "tsne", faces, tmp_path / "map.pdf") == 2
    assert "expected a name that ends in .html or .png" in capsys.readouterr().err
