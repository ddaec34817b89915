"""Requirements of a test: without them it is skipped, or fails if the environment variable CI is set."""

import os

import pytest


def need(condition: object, what: str, how_to_get_it: str) -> None:
    """Return if the condition holds; otherwise skip the test, or fail it if the environment variable CI is set."""
    if condition:
        return
    message = f"needs {what}: {how_to_get_it}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
