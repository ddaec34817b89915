"""Checks for the settings of all connections: local hosts, certificate files, plain-text connections."""

import logging
import ssl
from functools import cache
from ipaddress import ip_address
from pathlib import Path

from shared.errors import InvalidInput


def is_loopback(host: str) -> bool:
    """Return whether a host name or address (IPv6 with or without brackets) is this machine, without a lookup."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def host_of(address: str) -> str:
    """Return the host of `host:port`, `[host]:port` or `host`, also with a scheme before it."""
    rest = address.strip().rpartition("://")[2]
    if rest.startswith("["):
        return rest[1:].partition("]")[0]
    return rest if rest.count(":") > 1 else rest.partition(":")[0]  # a bare IPv6 address has several colons


def check_authorities(setting: str, file: Path) -> None:
    """Raise `InvalidInput`, naming the setting, unless the file has certificates of authorities in PEM form."""
    check_file(setting, file)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except ssl.SSLError:  # its message names a line of OpenSSL
        msg = (
            f"{setting}: expected a file of certificates in PEM form, found something else in {file}; convert it to PEM"
        )
        raise InvalidInput(msg) from None


def check_file(setting: str, file: Path) -> None:
    """Raise `InvalidInput`, naming the setting, unless this is a file that can be read."""
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
    """Log a warning, once per process and setting: `what` is sent unencrypted, and `setting` would change that."""
    logging.getLogger("connections").warning("%s: %s", setting, what)
