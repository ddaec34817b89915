"""A `MinioStore` whose server is a function: the client's own checks and requests without a process beside."""

from io import BytesIO
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree as ET

import urllib3
from pydantic import SecretStr

from shared.adapters.minio.store import MinioSettings, MinioStore

_XML = {"content-type": "application/xml"}
_S3 = "http://s3.amazonaws.com/doc/2006-03-01/"


class Server:
    """Answers the requests for objects as MinIO does, of the few that it has and of all that it has not."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}  # by bucket/key
        self.headers: dict[str, dict[str, str]] = {}  # more than each object has, by the same

    def urlopen(
        self, method: str, url: str, *, body: object = None, **_options: object
    ) -> urllib3.response.BaseHTTPResponse:
        parts = urlsplit(url)
        place = unquote(parts.path).removeprefix("/")
        if parts.query.startswith("delete"):
            assert isinstance(body, bytes)
            return self._removed(place, body)
        if method == "PUT":
            assert isinstance(body, bytes)
            self.objects[place] = body
        if method == "DELETE":
            self.objects.pop(place, None)
            return _answer(204, b"", {})
        if place not in self.objects:
            bucket = place.partition("/")[0]
            return _refusal(404, "NoSuchKey" if bucket in {"photos", "faces"} else "NoSuchBucket")
        data = self.objects[place]
        headers = {"content-length": f"{len(data)}", "etag": '"e"', **self.headers.get(place, {})}
        return _answer(200, b"" if method == "HEAD" else data, headers)

    def clear(self) -> None:
        """Close no connections, as there are none; the client asks for it when it goes."""

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
    """Return a store and what answers it."""
    store, server = MinioStore(MinioSettings(access_key=SecretStr("user"), secret_key=SecretStr("password"))), Server()
    store._client._http = server  # type: ignore[assignment]  # all that the client calls of it is there
    return store, server


def _refusal(status: int, code: str) -> urllib3.response.BaseHTTPResponse:
    return _answer(status, f"<Error><Code>{code}</Code><Message>m</Message></Error>".encode(), _XML)


def _answer(status: int, body: bytes, headers: dict[str, str]) -> urllib3.response.BaseHTTPResponse:
    return urllib3.HTTPResponse(BytesIO(body), headers, status, preload_content=False)
