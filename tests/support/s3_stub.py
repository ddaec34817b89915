"""A `MinioStore` with a server in this process, for the checks and requests of the client."""

from io import BytesIO
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree as ET

import urllib3
from pydantic import SecretStr

from shared.adapters.minio.settings import MinioSettings
from shared.adapters.minio.store import MinioStore

_XML = {"content-type": "application/xml"}
_S3 = "http://s3.amazonaws.com/doc/2006-03-01/"


class Server:
    """Answers requests for objects as MinIO does."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}  # by bucket/key
        self.headers: dict[str, dict[str, str]] = {}  # further headers of an object, by bucket/key

    def urlopen(
        self, method: str, url: str, *, body: object = None, **_options: object
    ) -> urllib3.response.BaseHTTPResponse:
        parts = urlsplit(url)
        path = unquote(parts.path).removeprefix("/")
        if parts.query.startswith("delete"):
            assert isinstance(body, bytes)
            return self._removed(path, body)
        if method == "PUT":
            assert isinstance(body, bytes)
            self.objects[path] = body
        if method == "DELETE":
            self.objects.pop(path, None)
            return _answer(204, b"", {})
        if path not in self.objects:
            bucket = path.partition("/")[0]
            return _refusal(404, "NoSuchKey" if bucket in {"photos", "faces"} else "NoSuchBucket")
        data = self.objects[path]
        headers = {"content-length": f"{len(data)}", "etag": '"e"', **self.headers.get(path, {})}
        return _answer(200, b"" if method == "HEAD" else data, headers)

    def clear(self) -> None:
        """Do nothing: there are no connections. The client calls it at its end."""

    def _removed(self, bucket: str, body: bytes) -> urllib3.response.BaseHTTPResponse:
        try:
            keys = [found.text or "" for found in ET.fromstring(body).iterfind(".//{*}Key")]  # noqa: S314  our own request
        except ET.ParseError:
            return _refusal(400, "MalformedXML")
        for key in keys:
            self.objects.pop(f"{bucket}/{key}", None)
        errors = "".join(
            "<Error><Key>k</Key><Code>XMinioInvalidObjectName</Code><Message>m</Message></Error>"
            for key in keys
            if "//" in key or any(len(part.encode()) > 255 for part in key.split("/"))
        )
        return _answer(200, f'<DeleteResult xmlns="{_S3}">{errors}</DeleteResult>'.encode(), _XML)


def s3_stub() -> tuple[MinioStore, Server]:
    """Return a store and its server."""
    store, server = MinioStore(MinioSettings(access_key=SecretStr("user"), secret_key=SecretStr("password"))), Server()
    store._client._http = server  # type: ignore[assignment]  # it has all methods that the client calls
    return store, server


def _refusal(status: int, code: str) -> urllib3.response.BaseHTTPResponse:
    return _answer(status, f"<Error><Code>{code}</Code><Message>m</Message></Error>".encode(), _XML)


def _answer(status: int, body: bytes, headers: dict[str, str]) -> urllib3.response.BaseHTTPResponse:
    return urllib3.HTTPResponse(BytesIO(body), headers, status, preload_content=False)
