import os
import subprocess
import sys

import pytest

from shared.stream.health import Health, serve


def _probed(port: int | str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "FACESTREAM_SERVICE_HEALTH_PORT": str(port)}
    environment.pop("FACESTREAM_SERVICE_HEALTH_HOST", None)
    return subprocess.run(
        [sys.executable, "-m", "shared.stream.probe"], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(("ready", "status", "words"), [(True, 0, ""), (False, 1, "not ready: status 503")])
def test_the_probe_says_whether_a_service_is_ready(ready: bool, status: int, words: str) -> None:  # noqa: FBT001  a case
    health = Health(60)
    health.ready = ready
    server = serve(health, "127.0.0.1", 0)
    probed = _probed(server.server_port)
    server.close()
    assert probed.returncode == status
    assert words in probed.stderr


def test_the_probe_fails_where_nobody_answers() -> None:
    server = serve(Health(60), "127.0.0.1", 0)
    port = server.server_port
    server.close()
    assert "does not answer" in _probed(port).stderr
    assert "expected FACESTREAM_SERVICE_HEALTH_PORT" in _probed("").stderr
