"""A certificate authority of a test's own, and a certificate for 127.0.0.1."""

from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key


@dataclass(frozen=True)
class Certificates:
    """`folder` holds what a server needs: `public.crt` and `private.key` (MinIO), `both.pem` (Kafka)."""

    folder: Path

    @property
    def ca_file(self) -> Path:
        """What a client has to trust."""
        return self.folder / "ca.pem"


def issue(folder: Path) -> Certificates:
    """Write an authority and a certificate of it into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    key = load_pem_private_key(issued.private_key_pem.bytes(), password=None)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())  # the only form that Kafka reads
    public = b"".join(part.bytes() for part in issued.cert_chain_pems)
    for name, content in {"public.crt": public, "private.key": private, "both.pem": private + public}.items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_bytes(content)
    certificates = Certificates(folder)
    authority.cert_pem.write_to_path(certificates.ca_file)
    return certificates
