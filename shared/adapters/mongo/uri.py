"""Checks TLS and passwords in a URI of MongoDB before a connection is made. Messages never quote the URI."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl

from pymongo.errors import ConfigurationError, InvalidURI
from pymongo.uri_parser import parse_uri

from shared.connections import check_authorities, check_file, is_loopback, warn_of_plain_text
from shared.errors import InvalidInput

_URI = "FACESTREAM_MONGO_URI"
_FILES = {"tlscafile": "tlsCAFile", "tlscertificatekeyfile": "tlsCertificateKeyFile", "tlscrlfile": "tlsCRLFile"}
_LAX = {
    "tlsinsecure": "tlsInsecure",
    "tlsallowinvalidcertificates": "tlsAllowInvalidCertificates",
    "tlsallowinvalidhostnames": "tlsAllowInvalidHostnames",
}
_SWITCHES = ("tls", "ssl")  # two names of one option


def check_uri(uri: str, ca_file: Path | None) -> None:
    """Check a URI together with the setting `ca_file`, which switches TLS on.

    Raises `InvalidInput` if options contradict each other or have no effect, or if a password would be sent unencrypted
    to another machine. An invalid URI is left to the driver. Warns if a password is used without TLS, or with TLS that
    does not check the server.
    """
    given = {name.lower(): value for name, value in parse_qsl(uri.partition("?")[2], keep_blank_values=True)}
    encrypted = _is_encrypted(uri, given, ca_file)
    for name, label in _FILES.items():
        if value := given.get(name):
            check = check_authorities if name == "tlscafile" else check_file
            check(f"{_URI}, its option {label}", Path(value))
    if ca_file:
        check_authorities("FACESTREAM_MONGO_CA_FILE", ca_file)
        if given.get("tlscafile") not in {None, str(ca_file)}:
            msg = f"FACESTREAM_MONGO_CA_FILE: expected no other tlsCAFile in {_URI}, found one; leave one of them out"
            raise InvalidInput(msg)
    if not _has_password(uri):
        return
    if encrypted:
        if lax := next((label for name, label in _LAX.items() if given.get(name) == "true"), None):
            what = f"{lax}, so any server with any certificate gets the login; leave it out"
            warn_of_plain_text(_URI, what)
    elif not _is_local(uri):
        if given.get("authmechanism") == "PLAIN":
            msg = (
                f"{_URI}: expected tls=true with authMechanism=PLAIN, whose password would go unencrypted to another "
                "machine, found no TLS; add that, or use another mechanism"
            )
            raise InvalidInput(msg)
        warn_of_plain_text(
            _URI,
            "no TLS, so faces and vectors go unencrypted and the password can be guessed from what is overheard; "
            "tls=true where the network is not trusted",
        )


def _is_encrypted(uri: str, given: Mapping[str, str], ca_file: Path | None) -> bool:
    """Return whether TLS is on; raises `InvalidInput` if an option has no effect because it is off."""
    switch = next((given[name].lower() for name in _SWITCHES if name in given), None)
    options = [label for name, label in (_FILES | _LAX).items() if given.get(name)]
    # As in the driver: files switch TLS on, and so do options that require a check; options that omit one do not.
    implied = any(given.get(name) for name in _FILES) or any(given.get(name) == "false" for name in _LAX)
    on = switch == "true" or (switch is None and (uri.startswith("mongodb+srv:") or implied or ca_file is not None))
    if on or not (options or ca_file):
        return on
    name = "FACESTREAM_MONGO_CA_FILE" if ca_file else f"{_URI}, its option {options[0]}"
    found = f"tls={switch}" if switch else "no tls"
    msg = (
        f"{name}: expected tls=true in {_URI}, without which it has no effect, found {found}; set that, or leave this "
        "out"
    )
    raise InvalidInput(msg)


def _has_password(uri: str) -> bool:
    return ":" in uri.partition("://")[2].partition("?")[0].rpartition("@")[0]


def _is_local(uri: str) -> bool:
    try:
        nodes = parse_uri(uri.partition("?")[0], validate=False, warn=False)["nodelist"]
    except (InvalidURI, ConfigurationError, ValueError, OSError):
        return True  # not a URI: the driver refuses it
    return all(host.startswith("/") or is_loopback(host) for host, _ in nodes)
