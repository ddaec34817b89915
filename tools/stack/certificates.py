"""A new certificate authority, and a certificate for 127.0.0.1."""

from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key


@dataclass(frozen=True)
class Certificates:
    """The files in `folder`: `public.crt` and `private.key` for MinIO, `both.pem` for Kafka, `ca.pem` for clients."""

    folder: Path

    @property
    def ca_file(self) -> Path:
        """The certificate of the authority, which a client must trust."""
        return self.folder / "ca.pem"


def issue(folder: Path) -> Certificates:
    """Create an authority and a certificate signed by it, and write both into a folder."""
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
