"""Patterns of paths: what each form meets, and that many together say what each says alone."""

from fnmatch import fnmatchcase

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.photos.path_patterns import Hit, PathPatterns

_PARTS = st.text("abAB.*?[]!-\\ä", min_size=1, max_size=4)
_PATHS = st.lists(st.text("abAB.[]!-\\ä\n", min_size=1, max_size=4), min_size=1, max_size=4).map("/".join)


@pytest.mark.parametrize(
    ("pattern", "met", "not_met"),
    [
        ("@eaDir", ["@eaDir/a.jpg", "2020/@eadir/a.jpg/b.jpg", "@eaDir"], ["@eaDir2/a.jpg", "my@eaDir/a.jpg"]),
        ("a/b", ["a/b", "x/a/b/c.jpg", "A/B/c.jpg"], ["a/x/b", "xa/b", "b/a", "a", "a/bc"]),
        ("*.tif", ["a.TIF", "b/a.tif", "scans.tif/a.jpg"], ["a.tiff", "tif"]),
        ("a?c", ["abc/x", "a.c"], ["ac", "a/c", "abbc"]),
        ("[ab]1", ["a1", "x/b1/y"], ["c1", "[ab]1"]),
        ("[!ab]1", ["c1"], ["a1", "b1", "/1"]),
        ("a[b", ["a[b"], ["ab"]),
        ("/top", ["top/a.jpg", "top"], ["a/top/b.jpg"]),
        ("bin/", ["bin/a.jpg", "a/bin/", "a/bin/b/c.jpg"], ["bin", "a/bin"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b/c.jpg"], ["a", "b", "a/xb"]),
        ("/a/**", ["a/x", "a/x/y"], ["b/a/x"]),
        ("Jürgen", ["JÜRGEN/a.jpg", "Ju\u0308rgen/a.jpg"], ["Jurgen/a.jpg"]),
        ("Thumbs.db", ["Thumbs.db"], ["Thumbs.db\n", "Thumbsxdb"]),
    ],
)
def test_a_pattern_meets_the_parts_that_it_describes_and_no_others(
    pattern: str, met: list[str], not_met: list[str]
) -> None:
    patterns = PathPatterns([pattern])
    assert [key for key in met if not patterns.find(key)] == []
    assert [key for key in not_met if patterns.find(key)] == []


def test_what_was_met_is_told_with_the_letters_of_the_path() -> None:
    patterns = PathPatterns(["@eadir/", "*.PHOTOSLIBRARY/resources/"])
    assert patterns.find("2020/@eaDir/a.jpg/b.jpg") == Hit("@eadir/", "2020/@eaDir")
    found = patterns.find("İ/My.photoslibrary/Resources/x.jpg")  # a letter that is two in small
    assert found == Hit("*.PHOTOSLIBRARY/resources/", "İ/My.photoslibrary/Resources")


def test_a_pattern_may_begin_above_the_folder_and_has_to_end_in_it() -> None:
    patterns = PathPatterns(["*.photoslibrary/resources", "*.photoslibrary", "@eaDir", "/top"])
    above = "/home/me/Photos.photoslibrary"
    assert patterns.find("resources/a.jpg", above) == Hit("*.photoslibrary/resources", "resources")
    assert patterns.find("originals/a.jpg", above) is None
    assert patterns.find("a.jpg", f"{above}/resources") is None
    assert patterns.find("a.jpg", "/volume1/@eaDir") is None
    assert patterns.find("@eaDir/a.jpg", "/volume1/@eaDir") == Hit("@eaDir", "@eaDir")
    assert patterns.find("top/a.jpg", "/home") == Hit("/top", "top")


def test_no_pattern_meets_nothing() -> None:
    assert PathPatterns([]).find("a") is None


@given(pattern=_PARTS, path=_PATHS)
def test_one_part_means_what_it_means_to_a_shell(pattern: str, path: str) -> None:
    assume("-" not in pattern or "[" not in pattern)  # ranges are of a shell alone
    folded = [part.lower() for part in path.split("/")]
    expected = any(fnmatchcase(part, pattern.lower()) for part in folded) if pattern != "**" else True
    assert bool(PathPatterns([pattern]).find(path)) == expected


@given(patterns=st.lists(st.lists(_PARTS, min_size=1, max_size=3).map("/".join), max_size=4), path=_PATHS)
def test_together_they_meet_what_one_of_them_meets(patterns: list[str], path: str) -> None:
    together = PathPatterns(patterns).find(path)
    alone = [pattern for pattern in patterns if PathPatterns([pattern]).find(path)]
    assert (together.pattern in alone) if together else not alone
    if together:
        assert path.startswith(together.path)
