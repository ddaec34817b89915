"""What the settings of all connections are judged by: hosts of this machine, files of certificates, plain text."""

import logging
import ssl
from functools import cache
from ipaddress import ip_address
from pathlib import Path

from shared.errors import InvalidInput


def is_loopback(host: str) -> bool:
    """Say whether a host name or an address (IPv6 with or without brackets) is this machine, by its name alone."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def host_of(address: str) -> str:
    """Return the host of `host:port`, `[host]:port` or `host`, also with a scheme before it."""
    place = address.strip().rpartition("://")[2]
    if place.startswith("["):
        return place[1:].partition("]")[0]
    return place if place.count(":") > 1 else place.partition(":")[0]  # of colons, a bare IPv6 address has several


def check_authorities(setting: str, file: Path) -> None:
    """Refuse a file that holds no certificates of authorities in PEM form; raises `InvalidInput` with the setting."""
    check_file(setting, file)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except ssl.SSLError:  # its message names a line of OpenSSL
        msg = (
            f"{setting}: expected a file of certificates in PEM form, found something else in {file}; convert it to PEM"
        )
        raise InvalidInput(msg) from None


def check_file(setting: str, file: Path) -> None:
    """Refuse what is no file, or one that cannot be read; raises `InvalidInput` with the setting."""
    found = None
    if file.is_dir():
        found = "a folder"
    else:
        try:
            file.open("rb").close()
        except OSError as error:
            found = (error.strerror or str(error)).lower()
    if found:
        msg = f"{setting}: expected a file that can be read, found: {found}: {file}; correct the path, or leave it out"
        raise InvalidInput(msg)


@cache
def warn_of_plain_text(setting: str, what: str) -> None:
    """Write a warning to the log, once in a process: `what` goes unencrypted, which `setting` would change."""
    logging.getLogger("connections").warning("%s: %s", setting, what)
