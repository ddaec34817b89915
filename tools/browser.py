"""A page in the system's own Chromium, driven by Playwright, which brings no browser here and needs no network."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, Page, sync_playwright

_DEADLINE = 60.0  # seconds until an expression must be true


def find() -> str | None:
    """Return the path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Chromium:
    """A browser with one page. `problems`: its errors and console messages; `requests`: what addresses it asked for."""

    page: Page

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.problems: list[str] = []
        self.requests: list[str] = []

    def open(
        self, file: Path, width: int, height: int, *, scheme: Literal["light", "dark"] = "light", touch: bool = False
    ) -> None:
        """Load a file into a new window of this size, in CSS pixels, and wait until it is loaded."""
        for context in self._browser.contexts:
            context.close()
        self.problems.clear()
        self.requests.clear()
        self.page = self._browser.new_page(
            viewport={"width": width, "height": height}, color_scheme=scheme, has_touch=touch, is_mobile=touch
        )
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda message: self.problems.append(f"{message.type}: {message.text}"))
        self.page.goto(file.absolute().as_uri())

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, or of the promise that it gives."""
        return self.page.evaluate(expression)

    def wait_for(self, expression: str) -> Any:
        """Return the value of an expression as soon as it is a true one.

        `Page.wait_for_function` cannot do this: it evaluates text in the page, which the report's policy forbids.
        """
        deadline = time.monotonic() + _DEADLINE
        while time.monotonic() < deadline:
            if value := self.page.evaluate(expression):
                return value
            self.page.wait_for_timeout(20)
        msg = f"{expression}: not true within {_DEADLINE:g} s"
        raise AssertionError(msg)


@contextmanager
def browser(program: str) -> Iterator[Chromium]:
    """Start a Chromium with a profile of its own, without the sandbox that containers cannot give, and end it."""
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=program, args=["--disable-quic", "--disable-sync"]) as chromium,
    ):
        yield Chromium(chromium)
