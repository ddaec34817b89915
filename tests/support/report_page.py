"""Pages of the report, parsed."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser


class Reader(HTMLParser):
    """Collects the scripts, styles and cells of a page, its addresses and its visible text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, list[str]] = {"script": [], "style": [], "td": [], "li": [], "p": []}
        self._open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in self.inside:
            self._open.append(tag)
            self.inside[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in self.inside and tag in self._open:
            self._open.remove(tag)

    def handle_data(self, data: str) -> None:
        for tag in self._open:
            self.inside[tag][-1] += data

    def data(self, element: str) -> list[object]:
        """Parse the JSON blocks whose id begins with `element`."""
        kinds = [attributes.get("id") or "" for tag, attributes in self.tags if tag == "script"]
        return [
            json.loads(text)
            for name, text in zip(kinds, self.inside["script"], strict=True)
            if name.startswith(element)
        ]


def check_private(page: Reader) -> None:
    """Check that a page loads nothing and may run only its own scripts."""
    (policy,) = [a["content"] or "" for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    kinds = [attributes.get("type") for tag, attributes in page.tags if tag == "script"]
    scripts = [text for kind, text in zip(kinds, page.inside["script"], strict=True) if kind is None]
    assert scripts
    for allowed in [*scripts, *page.inside["style"]]:
        assert base64.b64encode(hashlib.sha256(allowed.encode()).digest()).decode() in policy
    for _, attributes in page.tags:
        assert not {"style", "src", "onclick", "onload"} & attributes.keys()
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"https?://", "".join(scripts + page.inside["style"]))
