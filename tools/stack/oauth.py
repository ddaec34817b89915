"""OAuth for Kafka: a token endpoint in this process, and a broker that accepts its tokens."""

import base64
import json
import secrets
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

from tools.stack.certificates import Certificates
from tools.stack.kafka import KafkaServer

AUDIENCE = "kafka"


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@dataclass
class TokenEndpoint:
    """Issues tokens for client credentials, over TLS; the only scope is `records`.

    `claims`: the claims of the next tokens, besides times and subject. `granted`: the number of tokens issued.
    """

    certificates: Certificates
    client: str = "facestream"
    secret: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    url: str = ""
    claims: dict[str, str] = field(default_factory=lambda: {"iss": "test", "aud": AUDIENCE, "scope": "records"})
    key: RSAPrivateKey = field(default_factory=lambda: generate_private_key(65537, 2048), repr=False)
    granted: int = 0

    def token(self) -> str:
        """Return a token as in RFC 7519, signed with RS256."""
        now = int(time.time())
        parts = ({"alg": "RS256", "kid": "one"}, {**self.claims, "sub": self.client, "iat": now, "exp": now + 300})
        signed = ".".join(_text(json.dumps(part).encode()) for part in parts)
        return f"{signed}.{_text(self.key.sign(signed.encode(), PKCS1v15(), SHA256()))}"

    def keys(self) -> Mapping[str, object]:
        """Return the public key that verifies the tokens, as in RFC 7517."""
        public = self.key.public_key().public_numbers()
        n, e = (_text(number.to_bytes((number.bit_length() + 7) // 8)) for number in (public.n, public.e))
        return {"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "one", "n": n, "e": e}]}

    def answer(self, authorization: str, body: str) -> tuple[int, Mapping[str, object]]:
        """Return status and body of the answer to a request for a token."""
        form = parse_qs(body)
        expected = base64.b64encode(f"{self.client}:{self.secret}".encode()).decode()
        if authorization != f"Basic {expected}":
            return 401, {"error": "invalid_client", "error_description": "who are you"}
        if form != {"grant_type": ["client_credentials"], "scope": ["records"]}:
            return 400, {"error": "invalid_scope"}
        self.granted += 1
        return 200, {"access_token": self.token(), "token_type": "Bearer", "expires_in": 300}


@contextmanager
def granting(certificates: Certificates) -> Iterator[TokenEndpoint]:
    """Serve a token endpoint on a free port within the block."""
    endpoint = TokenEndpoint(certificates)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            status, answer = endpoint.answer(self.headers.get("Authorization", ""), body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.folder / "both.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        endpoint.url = f"https://127.0.0.1:{server.server_port}/token"
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield endpoint
        finally:
            server.shutdown()


@dataclass
class OAuthKafkaServer(KafkaServer):
    """A broker whose clients need TLS and a token that `keys` verify; tests use its internal listener."""

    keys: Mapping[str, object] = field(default_factory=dict)

    @property
    def client_settings(self) -> dict[str, str]:
        """The settings of a client of the internal listener, which needs no login."""
        return {"bootstrap.servers": f"127.0.0.1:{self.internal_port}"}

    def environment(self) -> dict[str, str]:
        """Allow Kafka to read the keys from a file."""
        url = self._keys_file().as_uri()
        allowed = f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={url}"
        return {"JDK_JAVA_OPTIONS": allowed}

    def _logins(self) -> dict[str, object]:
        self._keys_file().write_text(json.dumps(self.keys))
        module = "org.apache.kafka.common.security.oauthbearer"
        listener = "listener.name.clients.oauthbearer"
        return {
            "sasl.enabled.mechanisms": "OAUTHBEARER",
            f"{listener}.sasl.jaas.config": f"{module}.OAuthBearerLoginModule required;",
            f"{listener}.sasl.server.callback.handler.class": f"{module}.OAuthBearerValidatorCallbackHandler",
            f"{listener}.sasl.oauthbearer.jwks.endpoint.url": self._keys_file().as_uri(),
            f"{listener}.sasl.oauthbearer.expected.audience": AUDIENCE,
            f"{listener}.sasl.oauthbearer.expected.issuer": "test",
        }

    def _keys_file(self) -> Path:
        return self.folder / "keys.json"
