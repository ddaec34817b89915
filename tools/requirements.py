"""What a test needs from the machine: absent on a laptop it is skipped, absent where `CI` is set it fails."""

import os

import pytest


def need(condition: object, what: str, how_to_get_it: str) -> None:
    """Go on if the condition holds; otherwise skip the test, or fail it where the environment variable CI is set."""
    if condition:
        return
    message = f"needs {what}: {how_to_get_it}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
