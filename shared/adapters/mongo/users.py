"""Users of MongoDB and their roles, and the replica set of one server."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Self

from pymongo.errors import OperationFailure, PyMongoError
from pymongo.uri_parser import parse_uri

from shared.access.admin_settings import Login
from shared.adapters.mongo.errors import errors
from shared.adapters.mongo.settings import MongoSettings
from shared.errors import InvalidInput, Transient

_NO_LOGIN = 18
_NO_SET_YET = 94
_SET_IS_THERE = 23
_OUR_ROLES = {"read", "readWrite"}
_TIMEOUT = 30.0  # seconds until the only member of a replica set is its primary


class MongoUsers:
    """Creates and updates users; a context manager. Raises `Transient`, and `Fatal` if the server refuses."""

    def __init__(self, settings: MongoSettings) -> None:
        """`settings`: of an administrator."""
        self._settings = settings
        self._client = settings.client()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._client.close()

    def found(self, name: str) -> Iterator[tuple[str, bool]]:
        """Create a replica set of the server in the URI, if the server was started for one and has none yet."""
        with errors():
            try:
                self._client.admin.command("replSetGetStatus")
            except OperationFailure as error:
                if error.code != _NO_SET_YET:
                    raise
            else:
                return
            host, port = self._address()
            member = {"_id": 0, "host": f"{host}:{port}"}
            try:
                self._client.admin.command("replSetInitiate", {"_id": name, "members": [member]})
            except OperationFailure as error:
                if error.code != _SET_IS_THERE:
                    raise
            until = time.monotonic() + _TIMEOUT
            while not self._client.admin.command("hello").get("isWritablePrimary"):
                if time.monotonic() > until:
                    msg = f"MongoDB, replica set {name}: created, but it has no primary after {_TIMEOUT:g} s"
                    raise Transient(msg)
                time.sleep(0.2)
        yield f"MongoDB, replica set {name}: made of {host}:{port}", True

    def bring(self, login: Login, database: str, roles: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, bool]]:
        """Give a user its password and roles in `database`, where it logs in; yield a line for each change, with True.

        Only roles `read` and `readWrite` on the product's own database are removed. For other roles of the user, which
        stay, yield a line with False.
        """
        name = f"MongoDB, user {login.user}"
        where = self._client[database]
        with errors():
            known = where.command("usersInfo", {"user": login.user, "db": database})["users"]
            if not known:
                where.command("createUser", login.user, pwd=login.password, roles=list(roles))
                yield f"{name}: made, {_described(roles)}", True
                return
            if not self._accepts(login, database):
                where.command("updateUser", login.user, pwd=login.password)
                yield f"{name}: its password is changed", True
            yield from self._roles(name, login.user, database, known[0]["roles"], roles)

    def _roles(
        self, name: str, user: str, database: str, has: Sequence[Mapping[str, str]], wanted: Sequence[Mapping[str, str]]
    ) -> Iterator[tuple[str, bool]]:
        where = self._client[database]
        now = [{"role": role["role"], "db": role["db"]} for role in has]
        if missing := [dict(role) for role in wanted if role not in now]:
            where.command("grantRolesToUser", user, roles=missing)
            yield f"{name}: may now {_described(missing)}", True
        more = [role for role in now if role not in wanted]
        ours = [role for role in more if role["db"] == self._settings.database and role["role"] in _OUR_ROLES]
        if ours:
            where.command("revokeRolesFromUser", user, roles=ours)
            yield f"{name}: may no longer {_described(ours)}", True
        if others := [role for role in more if role not in ours]:
            yield f"{name}: left as it is: it has other roles too: {_described(others)}", False

    def _accepts(self, login: Login, database: str) -> bool:
        """Return whether this user, which exists, has this password."""
        other = {"username": login.user, "password": login.password, "authSource": database}
        with self._settings.client(other) as client:
            try:
                client[database].command("connectionStatus")
            except OperationFailure as error:
                if error.code != _NO_LOGIN:
                    raise
                return False
        return True

    def _address(self) -> tuple[str, int]:
        host, port = parse_uri(self._settings.uri.get_secret_value())["nodelist"][0]
        return host, port or 27017


def user_in(uri: str, where: str) -> tuple[Login, str]:
    """Return the user of a URI, and the database that it logs in to; `where` names the URI in messages.

    Raises `InvalidInput`. The message does not quote the URI, which contains the password.
    """
    try:
        parts = parse_uri(uri)
    except (PyMongoError, ValueError):
        msg = f"{where}: expected mongodb://user:password@host:27017/?authSource=admin and the like"
        raise InvalidInput(msg) from None
    if not parts["username"] or not parts["password"]:
        msg = f"{where}: expected a URI with a user and a password, found one without"
        raise InvalidInput(msg)
    source = parts["options"].get("authsource") or parts["database"] or "admin"
    return Login(parts["username"], parts["password"]), source


def _described(roles: Sequence[Mapping[str, str]]) -> str:
    return ", ".join(f"{role['role']} of {role['db']}" for role in roles)
